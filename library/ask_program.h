// SPDX-License-Identifier: BSD-2-Clause-Patent
// The kernel's word on what user mode may have (vc/policy.h), asked in the terms of the C header.
#pragma once

#include "library/per_cpu.h"
#include "vc/ioio.h"
#include "vc/request.h"

namespace vestibule::library {

/// The block is found from its context, the first thing in it.
inline bool ask_program(const vc::Request& request) {
    static_assert(offsetof(PerCpu, context) == 0);
    const auto& cpu                    = reinterpret_cast<const PerCpu&>(request.context);
    const vc::Instruction& instruction = request.instruction;
    const bool is_io                   = instruction.mnemonic != vc::Mnemonic::vmmcall;
    const vestibule_user_request asked{
        .frame     = reinterpret_cast<const vestibule_frame*>(&request.frame),
        .opaque    = cpu.setup.opaque,
        .exit_code = request.frame.error_code,
        .port      = is_io ? static_cast<u16>(vc::first_port(request)) : u16{0},
        .size      = is_io ? instruction.operand_size : u8{0},
        .is_in =
            instruction.mnemonic == vc::Mnemonic::in || instruction.mnemonic == vc::Mnemonic::ins,
        .reserved = 0};
    return cpu.setup.user_may(&asked) != 0;
}

} // namespace vestibule::library
