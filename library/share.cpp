// Private pages made shared, and back (include/vestibule/share.h). Under SEV-ES that is the C-bit,
// the caches and the TLB, and nobody is asked; SNP's page states are not served yet, and
// vestibule_identify() refuses SNP.
#include "include/vestibule/share.h"

#include "library/cpu.h"
#include "library/end.h"
#include "library/per_cpu.h"
#include "vc/walk.h"
#include "x86/cpu.h"

using namespace vestibule;
using library::PerCpu;
namespace reason = ghcb::reason;

namespace {

struct Mapping {
    u64 linear;
    bool is_private;
};

/// What the page tables say, which the hypervisor cannot write.
bool is_there(const vc::Context& context, const Mapping& mapping, u64 gpa) {
    const auto page =
        vc::walk<library::Cpu, true>(context, mapping.linear, vc::page_fault::write, 0);
    return !page.faults && page.gpa == gpa && page.is_private == mapping.is_private;
}

/// What the cache has of one view must not be written back over the other later: it may tag its
/// lines with the C-bit.
void flush_lines(u64 linear) {
    constexpr u64 line = 64;
    for (u64 at = 0; at < page_size; at += line) {
        x86::Cpu::flush_cache_line(reinterpret_cast<const void*>(linear + at));
    }
}

vestibule_reason change(vestibule_cpu* cpu, const Mapping& from, const Mapping& to, u64 gpa,
                        const vestibule_mapper& mapper) {
    const vc::Context& context = PerCpu::of(*cpu).context;
    if (((from.linear | to.linear | gpa) & (page_size - 1)) != 0 || !is_there(context, from, gpa)) {
        return library::public_reason(reason::share_address);
    }
    flush_lines(from.linear);
    if (mapper.map(mapper.opaque, to.linear, gpa, to.is_private ? 0 : 1) != 0
        || !is_there(context, to, gpa)) {
        return library::public_reason(reason::share_mapping);
    }
    // By the other view it is noise by now, or the hypervisor's.
    auto* words = reinterpret_cast<volatile u64*>(to.linear);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        words[n] = 0;
    }
    return 0;
}

} // namespace

vestibule_reason vestibule_share(vestibule_cpu* cpu, uint64_t now_at, uint64_t shared_at,
                                 uint64_t gpa, const vestibule_mapper* mapper) {
    return change(cpu, {.linear = now_at, .is_private = true},
                  {.linear = shared_at, .is_private = false}, gpa, *mapper);
}

vestibule_reason vestibule_unshare(vestibule_cpu* cpu, uint64_t shared_at, uint64_t private_at,
                                   uint64_t gpa, const vestibule_mapper* mapper) {
    return change(cpu, {.linear = shared_at, .is_private = false},
                  {.linear = private_at, .is_private = true}, gpa, *mapper);
}
