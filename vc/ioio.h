// IN and OUT (exit 0x7B), GHCB specification, section 4.1.2; SW_EXITINFO1 as in the VMCB's
// EXITINFO1 for IOIO (APM volume 2, section 15.10.2).
#pragma once

#include "vc/exchange.h"

namespace vestibule::vc {

struct IoioEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::ioio;
    static constexpr Quick quick             = Quick::port;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::in || mnemonic == Mnemonic::out;
    }

    /// IN in bit 0, operand size in bytes in [6:4], address size in bytes in [9:7] times 2, port in
    /// [31:16].
    static constexpr u64 encode_plain(bool in, u8 size, u8 address_size, u64 port) {
        return u64{in} | (u64{size} << 4) | (u64{address_size} << 6) | ((port & 0xFFFF) << 16);
    }

    /// Of strings also: string in bit 2, REP in bit 3, segment in [12:10].
    static u64 encode(const Request& request, bool in) {
        const Instruction& instruction = request.instruction;
        const u64 port =
            instruction.other == Operand::dx ? request.frame.rdx : instruction.immediate;
        u64 info = encode_plain(in, instruction.operand_size, instruction.address_size, port);
        if (instruction.mnemonic >= Mnemonic::ins) {
            info |= (instruction.repeat ? bit(2) | bit(3) : bit(2))
                    | (static_cast<u64>(instruction.segment) << 10);
        }
        return info;
    }

    /// OUT shows the operand's bytes and no more: the rest of RAX is none of the hypervisor's
    /// business.
    static constexpr Exchanged exchanged_by(bool in) {
        return in ? Exchanged{.inputs = {}, .outputs = registers::rax}
                  : Exchanged{.inputs = registers::rax, .outputs = {}};
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        const bool in = request.instruction.mnemonic == Mnemonic::in;
        return exchange<Cpu>(request.frame, request.context.ghcb, exchanged_by(in),
                             encode(request, in), request.instruction.operand_size);
    }
};

} // namespace vestibule::vc
