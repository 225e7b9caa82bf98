// IN and OUT (exit 0x7B), GHCB specification, section 4.1.2; SW_EXITINFO1 as in the VMCB's
// EXITINFO1 for IOIO (APM volume 2, section 15.10.2).
#pragma once

#include "vc/exchange.h"

namespace vestibule::vc {

struct IoioEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::ioio;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::in || mnemonic == Mnemonic::out;
    }

    /// IN in bit 0, string in bit 2, REP in bit 3, operand size in bytes in [6:4], address size in
    /// bytes in [9:7] times 2, segment in [12:10], port in [31:16].
    static u64 encode(const Request& request, bool in) {
        const Instruction& instruction = request.instruction;
        const u64 port =
            instruction.other == Operand::dx ? request.frame.rdx : instruction.immediate;
        const bool string = instruction.mnemonic >= Mnemonic::ins;
        u64 info          = 0;
        if (string) {
            info = (instruction.repeat ? bit(2) | bit(3) : bit(2))
                   | (static_cast<u64>(instruction.segment) << 10);
        }
        return info | u64{in} | (u64{instruction.operand_size} << 4)
               | (u64{instruction.address_size} << 6) | ((port & 0xFFFF) << 16);
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        Frame& frame  = request.frame;
        const u8 size = request.instruction.operand_size;
        const bool in = request.instruction.mnemonic == Mnemonic::in;
        ghcb::Call<Cpu> call{request.context.ghcb};
        if (!in) {
            // Only the operand's bytes: the rest of RAX is none of the hypervisor's business.
            call.put_register(0, frame.rax & size_mask(size));
        }
        const ghcb::Answer answer =
            call.exit(exit_code, encode(request, in), 0, in ? registers::rax : registers::none);
        if (in && answer.outcome.is_done()) {
            write_register(frame, {}, size, answer.reg[0]);
        }
        return answer.outcome;
    }
};

} // namespace vestibule::vc
