// IN and OUT (exit 0x7B), GHCB specification, section 4.1.2; SW_EXITINFO1 as in the VMCB's
// EXITINFO1 for IOIO (APM volume 2, section 15.10.2).
#pragma once

#include "ghcb/call.h"
#include "vc/request.h"
#include "x86/exit_code.h"

namespace vestibule::vc {

struct IoioEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::ioio;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::in || mnemonic == Mnemonic::out;
    }

    /// IN in bit 0, operand size in bytes in [6:4], 64-bit address size in bit 9, port in [31:16].
    static constexpr u64 encode(bool in, u8 operand_size, u16 port) {
        constexpr u64 address_size_64 = bit(9);
        return (in ? 1 : 0) | (u64{operand_size} << 4) | address_size_64 | (u64{port} << 16);
    }

    /// The bits of RAX that an operand of this size covers.
    static constexpr u64 operand_mask(u8 operand_size) { return bit(8u * operand_size) - 1; }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        Frame& frame                   = request.frame;
        const Instruction& instruction = request.instruction;
        using ghcb::Field;
        using ghcb::FieldSet;
        const u16 port =
            static_cast<u16>(instruction.other == Operand::dx ? frame.rdx : instruction.immediate);
        const u64 mask = operand_mask(instruction.operand_size);
        const bool in  = instruction.mnemonic == Mnemonic::in;
        const u64 info = encode(in, instruction.operand_size, port);
        ghcb::Call<Cpu> call{request.context.ghcb};
        if (!in) {
            // Only the operand's bytes: the rest of RAX is none of the hypervisor's business.
            call.put(Field::rax, frame.rax & mask);
            return call.template exit<FieldSet{}>(exit_code, info, 0).outcome;
        }
        const ghcb::Answer answer =
            call.template exit<FieldSet::of(Field::rax)>(exit_code, info, 0);
        if (answer.outcome.is_done()) {
            // 8 and 16 bits leave the rest of RAX alone, 32 bits clear the upper half.
            const u64 kept = instruction.operand_size == 4 ? 0 : frame.rax & ~mask;
            frame.rax      = kept | (answer.rax & mask);
        }
        return answer.outcome;
    }
};

} // namespace vestibule::vc
