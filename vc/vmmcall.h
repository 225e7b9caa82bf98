// VMMCALL (exit 0x81): RAX and CPL, and of the other registers those that the context says belong
// to the hypercalls this guest makes; RAX back.
#pragma once

#include "ghcb/call.h"
#include "vc/halves.h"
#include "vc/registers.h"
#include "vc/request.h"
#include "x86/exit_code.h"

namespace vestibule::vc {

struct VmmcallEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::vmmcall;

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic == Mnemonic::vmmcall; }

    template <class Cpu>
    [[clang::minsize]] static ghcb::Outcome serve(const Request& request) {
        Frame& frame = request.frame;
        // The upper halves do not belong to 32-bit code: they are what 64-bit code left in them.
        const u8 size = request.code.size == CodeSize::bits64 ? 8 : 4;
        ghcb::Call<Cpu> call{request.context.ghcb};
        call.put_cpl(request.code.cpl);
        for (u8 number = 0; number < 16; ++number) {
            const bool shown = number == 0 || (request.context.vmmcall_registers >> number & 1);
            if (shown && number != register_number::sp) {
                call.put(ghcb::field_of_register(number),
                         read_register(frame, {.number = number}, size));
            }
        }
        const ghcb::Answer answer = call.exit(exit_code, 0, 0, outputs::rax);
        if (answer.outcome.is_done()) {
            write_register(frame, {}, size, answer.rax);
        }
        return answer.outcome;
    }
};

} // namespace vestibule::vc
