// SPDX-License-Identifier: BSD-2-Clause-Patent
// The stub in 32-bit legacy mode: finds the C-bit and makes the page tables for long mode, in which
// everything else is done (boot/main.cpp). Called by boot/entry32.asm.
#include "boot/initial_tables.h"
#include "boot/legacy/handlers.h"
#include "boot/random.h"
#include "ghcb/msr_protocol.h"
#include "ghcb/sev_status.h"
#include "snp/cpuid_page.h"
#include "x86/cpu.h"

using namespace vestibule;
using boot::Platform;
namespace msr_protocol = ghcb::msr_protocol;
namespace reason       = ghcb::reason;

extern "C" [[gnu::regparm(3)]] u64 legacy_main(u32 base, Platform platform,
                                               boot::legacy::Handlers& handlers,
                                               const snp::CpuidPage& cpuid_page);

namespace vestibule::boot::legacy {

namespace {

/// CPUID 0x8000001F EBX by the MSR protocol.
u32 ask_encryption(Platform platform) {
    u32 ebx = 0;
    if (!msr_protocol::cpuid<x86::Cpu>(x86::cpuid_leaf::memory_encryption,
                                       msr_protocol::CpuidRegister::ebx, ebx)) {
        fail(platform, reason::msr_bad_response);
    }
    return ebx;
}

/// The same from the CPUID page, which the launch has validated: without paging it can be read
/// before there is a C-bit. In 64-bit mode the whole page is checked (boot/snp/main.cpp).
u32 look_up_encryption(const snp::CpuidPage& page) {
    const snp::CpuidFunction* encryption = snp::find_only(page, x86::cpuid_leaf::memory_encryption);
    if (encryption == nullptr) {
        fail(Platform::sev_snp, reason::snp_cpuid_conflict);
    }
    return encryption->ebx;
}

/// The C-bit as a mask, by both roads on which one learns of it. Under SEV-ES both are the
/// hypervisor, and whether it is one is not known before paging is on. Under SEV-SNP one is the
/// CPUID page, so that a hypervisor which names another ends its guest before there is a table.
u64 named_c_bit(Platform platform, const snp::CpuidPage& cpuid_page) {
    const auto information = msr_protocol::SevInformation::decode(
        msr_protocol::exchange<x86::Cpu>(msr_protocol::sev_information_request));
    if (!information.well_formed) {
        fail(platform, reason::msr_bad_response);
    }
    const unsigned position = x86::c_bit_position(
        platform == Platform::sev_snp ? look_up_encryption(cpuid_page) : ask_encryption(platform));
    if (position != information.c_bit_position || !x86::is_plausible_c_bit(position)) {
        fail(platform, reason::c_bit_mismatch);
    }
    return bit(position);
}

/// Whether there can be a random number. Every processor with SEV has them, and its CPUID says so
/// unless it raises #VC, which on a native machine ends the guest.
bool has_random_numbers(Platform platform) {
    constexpr u32 rdrand = 1u << 30;
    return platform != Platform::native
           || (x86::Cpu::cpuid(x86::cpuid_leaf::features).ecx & rdrand) != 0;
}

} // namespace

} // namespace vestibule::boot::legacy

/// Returns a random number: who writes it before paging is on and still finds it afterwards has
/// private memory, or on a native machine memory that nobody encrypts. SECURITY: a guest that was
/// made believe that it is on one (boot/flash/main.cpp) does not find it. 0 where the processor has
/// no random numbers, and so no SEV either.
u64 legacy_main(u32 base, Platform platform, boot::legacy::Handlers& handlers,
                const snp::CpuidPage& cpuid_page) {
    using namespace boot::legacy;
    install_handlers(handlers, platform); // before anything that can raise #VC

    const x86::SevStatus status{x86::Cpu::rdmsr(x86::Msr::sev_status)};
    const ghcb::Outcome verdict = platform == Platform::sev_snp
                                      ? ghcb::judge_snp_status(status)
                                      : ghcb::judge_status(status, platform != Platform::native);
    if (!verdict.is_done()) {
        fail(platform, verdict.reason);
    }
    auto& tables = *reinterpret_cast<x86::PageTable*>(base);
    boot::map_image(tables, base,
                    platform == Platform::native ? 0 : named_c_bit(platform, cpuid_page));
    if (!has_random_numbers(platform)) {
        return 0;
    }
    u32 low  = 0;
    u32 high = 0;
    if (!boot::random_number<x86::Cpu>(low) || !boot::random_number<x86::Cpu>(high)) {
        fail(platform, reason::no_random_number);
    }
    return from_halves(high, low);
}
