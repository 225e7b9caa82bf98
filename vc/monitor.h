// SPDX-License-Identifier: BSD-2-Clause-Patent
// MONITOR and MONITORX (exit 0x8A), MWAIT and MWAITX (0x8B), without asking the hypervisor: it
// would learn an address that the guest is about to look at, and for nothing, since MWAIT may
// return at any moment. Linux's guests and KVM itself make the same no-operations of them. What the
// instructions check of their operands is checked (APM volume 3, MONITOR and MWAIT).
#pragma once

#include "vc/memory.h"

namespace vestibule::vc {

struct MonitorEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::monitor;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::monitor || mnemonic == Mnemonic::monitorx;
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        if (low_half(request.frame.rcx) != 0) { // no extensions are defined
            return ghcb::Outcome::raise(x86::exception::general_protection);
        }
        Place place;
        const u64 offset = request.frame.rax & size_mask(request.instruction.address_size);
        return find_place<Cpu>(request, request.instruction.segment, false, offset, 1, place);
    }
};

struct MwaitEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::mwait;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::mwait || mnemonic == Mnemonic::mwaitx;
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        // Bit 0: interrupts end the wait even if masked; bit 1, of MWAITX: EBX limits it.
        const u32 known = request.instruction.mnemonic == Mnemonic::mwaitx ? 3 : 1;
        return (low_half(request.frame.rcx) & ~known) == 0
                   ? ghcb::Outcome::done()
                   : ghcb::Outcome::raise(x86::exception::general_protection);
    }
};

} // namespace vestibule::vc
