// SPDX-License-Identifier: BSD-2-Clause-Patent
// RDMSR and WRMSR (exit 0x7C): SW_EXITINFO1 is 0 to read, 1 to write.
#pragma once

#include "vc/exchange.h"
#include "x86/vmsa_msrs.h"

namespace vestibule::vc {

inline constexpr RegisterSet msr_value = registers::rax | registers::rdx;

/// Most registers are told from those of the VMSA by the last bits of their numbers.
struct VmsaMsrFilter {
    u64 by_last_bits;

    static consteval VmsaMsrFilter make() {
        VmsaMsrFilter filter{};
        for (u32 n = 0; n < 16; ++n) {
            const auto enter = [&](const x86::VmsaMsrs& set) {
                if (set.hold(static_cast<u32>(set.first) + n, false)) {
                    filter.by_last_bits |= bit((static_cast<u32>(set.first) + n) % 64);
                }
            };
            for (const x86::VmsaMsrs& set : x86::vmsa_msrs) {
                enter(set);
            }
            enter(x86::vmsa_msrs_of_cet);
        }
        return filter;
    }

    constexpr bool may_hold(u64 number) const { return (by_last_bits >> (number % 64) & 1) != 0; }
};

inline constexpr VmsaMsrFilter vmsa_msr_filter = VmsaMsrFilter::make();

/// SECURITY: who intercepts a register that the CPU keeps in the VMSA does so to answer for it: a
/// GS_BASE of its choice, a SYSCALL entry, EFER.
template <class Cpu>
bool is_forged_msr(const Frame& frame, u64 exitinfo1) {
    if constexpr (Cpu::serves_kernel) {
        return x86::is_kept_in_vmsa(low_half(frame.rcx), exitinfo1 != 0, Cpu::cr4());
    }
    return x86::is_kept_in_vmsa_of_stub(low_half(frame.rcx), low_half(exitinfo1));
}

template <Mnemonic mnemonic, Exchanged registers, u8 info1>
struct MsrEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::msr;
    static constexpr Quick quick             = Quick::msr;
    static constexpr Exchanged exchanged     = registers;
    static constexpr u8 exitinfo1            = info1;

    static constexpr bool is_raised_by(Mnemonic asked) { return asked == mnemonic; }
};

using RdmsrEvent = MsrEvent<Mnemonic::rdmsr, Exchanged{registers::rcx, msr_value}, 0>;
using WrmsrEvent = MsrEvent<Mnemonic::wrmsr, Exchanged{registers::rcx | msr_value, {}}, 1>;

} // namespace vestibule::vc
