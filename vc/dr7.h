// SPDX-License-Identifier: BSD-2-Clause-Patent
// MOV from and to DR7 (exits 0x27 and 0x37). The hardware's DR7 is the hypervisor's to use, so the
// value that the guest wrote is kept here, and reading it asks nobody. With DebugSwap it is the
// guest's, no honest hypervisor intercepts it, and no copy is kept (APM volume 2, section 15.35.4).
#pragma once

#include "vc/exchange.h"
#include "x86/registers.h"

namespace vestibule::vc {

struct Dr7ReadEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::dr7_read;

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic == Mnemonic::read_dr7; }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        const Instruction& instruction = request.instruction;
        if (Cpu::serves_kernel && request.context.debug_swap) {
            return ghcb::Outcome::terminate(ghcb::reason::vc_dr7_not_intercepted);
        }
        write_register(request.frame, instruction.reg, instruction.operand_size,
                       request.context.dr7);
        return ghcb::Outcome::done();
    }
};

struct Dr7WriteEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::dr7_write;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::write_dr7;
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        const Instruction& instruction = request.instruction;
        if (Cpu::serves_kernel && request.context.debug_swap) {
            return ghcb::Outcome::terminate(ghcb::reason::vc_dr7_not_intercepted);
        }
        const u64 value = read_register(request.frame, instruction.reg, instruction.operand_size);
        if (high_half(value) != 0) {
            return ghcb::Outcome::raise(x86::exception::general_protection);
        }
        const u64 dr7 = (value & ~x86::dr7_read_as_zero) | x86::dr7_reset;
        const Shown shown{ghcb::Field::rax, dr7};
        const ghcb::Outcome outcome = exchange<Cpu>(request, {}, 0, 4, {&shown, 1});
        if (outcome.is_done()) {
            request.context.dr7 = dr7;
        }
        return outcome;
    }
};

} // namespace vestibule::vc
