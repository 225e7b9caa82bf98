// RDMSR and WRMSR (exit 0x7C): SW_EXITINFO1 is 0 to read, 1 to write; values move in 32-bit halves.
#pragma once

#include "ghcb/call.h"
#include "vc/halves.h"
#include "vc/request.h"
#include "x86/exit_code.h"

namespace vestibule::vc {

struct MsrEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::msr;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::rdmsr || mnemonic == Mnemonic::wrmsr;
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        using ghcb::Field;
        Frame& frame = request.frame;
        ghcb::Call<Cpu> call{request.context.ghcb};
        call.put(Field::rcx, low_half(frame.rcx));
        const bool write = request.instruction.mnemonic == Mnemonic::wrmsr;
        if (write) {
            call.put(Field::rax, low_half(frame.rax));
            call.put(Field::rdx, low_half(frame.rdx));
        }
        return exit_for_halves(call, frame, exit_code, write ? 1 : 0,
                               write ? outputs::none : outputs::rax | outputs::rdx);
    }
};

} // namespace vestibule::vc
