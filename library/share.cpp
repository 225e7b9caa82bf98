// SPDX-License-Identifier: BSD-2-Clause-Patent
// Private pages made shared, and back (include/vestibule/share.h). Under SEV-ES that is the C-bit,
// the caches and the TLB, and nobody is asked; under SEV-SNP the page's state as well, on both
// sides (GHCB specification, exit 0x80000010; APM volume 2, section 15.36.6).
#include "include/vestibule/share.h"

#include "library/cpu.h"
#include "library/cpuid_table.h"
#include "library/end.h"
#include "library/page_change.h"
#include "library/per_cpu.h"
#include "library/svsm.h"
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

/// Under SEV-SNP: the hypervisor's no more, and ours.
vestibule_reason make_ours(vestibule_cpu& cpu, u64 linear, u64 gpa) {
    if (const vestibule_reason reason =
            library::change_pages(cpu, gpa, 1, snp::PageOperation::make_private);
        reason != 0) {
        return reason;
    }
    const ghcb::Outcome outcome =
        library::set_validated(PerCpu::of(cpu).setup.svsm, linear, gpa, true);
    if (outcome.is_done() && library::acceptance_of(PerCpu::of(cpu).context).evicts) {
        snp::evict<library::Cpu>(linear, page_size);
    }
    return library::as_reason(outcome);
}

/// The reverse.
vestibule_reason make_theirs(vestibule_cpu& cpu, u64 linear, u64 gpa) {
    const ghcb::Outcome outcome =
        library::set_validated(PerCpu::of(cpu).setup.svsm, linear, gpa, false);
    return outcome.is_done() ? library::change_pages(cpu, gpa, 1, snp::PageOperation::make_shared)
                             : library::as_reason(outcome);
}

vestibule_reason change(vestibule_cpu* cpu, const Mapping& from, const Mapping& to, u64 gpa,
                        const vestibule_mapper& mapper) {
    const vc::Context& context = PerCpu::of(*cpu).context;
    if (((from.linear | to.linear | gpa) & (page_size - 1)) != 0 || !is_there(context, from, gpa)) {
        return library::public_reason(reason::share_address);
    }
    library::flush_page(from.linear);
    const bool is_snp       = context.cpuid_table != nullptr;
    vestibule_reason reason = 0;
    if (is_snp && from.is_private) { // by the mapping that there is yet
        reason = make_theirs(*cpu, from.linear, gpa);
    }
    if (reason != 0) {
        return reason;
    }
    if (mapper.map(mapper.opaque, to.linear, gpa, to.is_private ? 0 : 1) != 0
        || !is_there(context, to, gpa)) {
        return library::public_reason(reason::share_mapping);
    }
    if (is_snp && to.is_private) {
        reason = make_ours(*cpu, to.linear, gpa);
    }
    if (reason != 0) {
        return reason;
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
