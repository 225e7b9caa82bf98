// SPDX-License-Identifier: BSD-2-Clause-Patent
// VMMCALL (exit 0x81): RAX and CPL, and of the other registers those that the context says belong
// to the hypercalls this guest makes; RAX back.
#pragma once

#include "vc/exchange.h"

namespace vestibule::vc {

struct VmmcallEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::vmmcall;

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic == Mnemonic::vmmcall; }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        // The upper halves do not belong to 32-bit code: they are what 64-bit code left in them.
        const u8 size = request.code.size == CodeSize::bits64 ? 8 : 4;
        const Shown cpl{ghcb::Field::cpl, request.code.cpl};
        return exchange<Cpu>(request,
                             {.inputs  = registers::rax | request.context.vmmcall_registers,
                              .outputs = registers::rax},
                             0, size, {&cpl, 1});
    }
};

} // namespace vestibule::vc
