// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a flash image does in 32-bit legacy mode before the stub (boot/flash/record.h): finds out
// what the machine is, and puts the guest's pages where they belong. Called by
// boot/flash/reset.asm.
#include "boot/flash/record.h"
#include "boot/legacy/handlers.h"
#include "ghcb/sev_status.h"
#include "snp/acceptance.h"
#include "x86/cpu.h"

using namespace vestibule;
using boot::Platform;

extern "C" [[gnu::regparm(2)]] Platform legacy_main(const boot::flash::Record& record,
                                                    boot::legacy::Handlers& handlers);

namespace vestibule::boot::flash {

namespace {

using x86::Cpu;

/// SECURITY: what runs us is not measured, since one volume serves every platform; but SEV_STATUS
/// is the CPU's own word, whose read a hypervisor can have end in an exception and not in another
/// value. One that forges the #GP of a CPU without it makes a guest believe that its machine is a
/// native one. The stub then finds that memory which was written without paging is not there with
/// it (boot/entry32.asm), and ends. Until there nothing is written but private memory.
Platform identify() {
    const x86::SevStatus status{Cpu::rdmsr(x86::Msr::sev_status)};
    if (status.has(x86::SevStatus::snp)) {
        return Platform::sev_snp;
    }
    // Of plain SEV the stub says that it is not what it was made for.
    return status.has(x86::SevStatus::sev_es) ? Platform::sev_es : Platform::native;
}

constexpr bool includes(u32 platforms, Platform platform) {
    return ((platforms >> static_cast<u32>(platform)) & 1) != 0;
}

/// The launch has assigned nothing but the volume and what its metadata ask for.
void accept(u32 page) {
    ghcb::Outcome outcome = snp::change_page_by_msr<Cpu>(page, snp::PageOperation::make_private);
    if (outcome.is_done()) {
        outcome = snp::validate_page<Cpu>(page);
    }
    if (!outcome.is_done()) {
        legacy::fail(Platform::sev_snp, outcome.reason);
    }
    // Whether it is due, only CPUID could say.
    snp::evict<Cpu>(page, page_size);
}

void place(const Range& range, Platform platform) {
    const u32 end = range.gpa + ((range.size + page_size - 1) & ~u32{page_size - 1});
    for (u32 page = range.gpa; platform == Platform::sev_snp && page != end; page += page_size) {
        accept(page);
    }
    u32 zeros_from = range.gpa;
    if (range.from != 0) {
        Cpu::copy_words(range.gpa, range.from, range.size / sizeof(u32));
        zeros_from += range.size;
    }
    Cpu::clear_words(zeros_from, (end - zeros_from) / sizeof(u32));
}

} // namespace

} // namespace vestibule::boot::flash

Platform legacy_main(const boot::flash::Record& record, boot::legacy::Handlers& handlers) {
    using namespace boot::flash;
    boot::legacy::install_handlers(handlers, Platform::native);
    const Platform platform = identify();
    boot::legacy::install_handlers(handlers, platform);
    if (!includes(record.platforms, platform)) {
        boot::legacy::fail(platform, platform == Platform::native
                                         ? ghcb::reason::sev_es_expected
                                         : ghcb::reason::feature_unsupported);
    }
    const auto* ranges = reinterpret_cast<const Range*>(record.ranges);
    for (u32 n = 0; n < record.range_count; ++n) {
        if (includes(ranges[n].platforms, platform)) {
            place(ranges[n], platform);
        }
    }
    return platform;
}
