// RDMSR and WRMSR (exit 0x7C): SW_EXITINFO1 is 0 to read, 1 to write; values move in 32-bit halves.
#pragma once

#include "ghcb/call.h"
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
        Frame& frame                   = request.frame;
        const Instruction& instruction = request.instruction;
        using ghcb::Field;
        using ghcb::FieldSet;
        ghcb::Call<Cpu> call{request.context.ghcb};
        call.put(Field::rcx, low_half(frame.rcx));
        if (instruction.mnemonic == Mnemonic::wrmsr) {
            call.put(Field::rax, low_half(frame.rax));
            call.put(Field::rdx, low_half(frame.rdx));
            return call.template exit<FieldSet{}>(exit_code, 1, 0).outcome;
        }
        constexpr FieldSet outputs = FieldSet::of(Field::rax) | FieldSet::of(Field::rdx);
        const ghcb::Answer answer  = call.template exit<outputs>(exit_code, 0, 0);
        if (answer.outcome.is_done()) {
            frame.rax = low_half(answer.rax);
            frame.rdx = low_half(answer.rdx);
        }
        return answer.outcome;
    }
};

} // namespace vestibule::vc
