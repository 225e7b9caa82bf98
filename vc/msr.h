// RDMSR and WRMSR (exit 0x7C): SW_EXITINFO1 is 0 to read, 1 to write.
#pragma once

#include "vc/exchange.h"

namespace vestibule::vc {

struct MsrEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::msr;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::rdmsr || mnemonic == Mnemonic::wrmsr;
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        constexpr RegisterSet value = registers::rax | registers::rdx;
        if (request.instruction.mnemonic == Mnemonic::wrmsr) {
            return exchange<Cpu>(request, 1, {.inputs = registers::rcx | value, .outputs = {}});
        }
        return exchange<Cpu>(request, 0, {.inputs = registers::rcx, .outputs = value});
    }
};

} // namespace vestibule::vc
