// SPDX-License-Identifier: BSD-2-Clause-Patent
// IN and OUT (exit 0x7B), GHCB specification, section 4.1.2; SW_EXITINFO1 as in the VMCB's
// EXITINFO1 for IOIO (APM volume 2, section 15.10.2).
#pragma once

#include "vc/exchange.h"

namespace vestibule::vc {

/// SW_EXITINFO1 of IN and OUT: IN in bit 0, operand size in bytes in [6:4], address size in bytes
/// in [9:7] times 2, port in [31:16].
constexpr u64 encode_port(u64 in, u8 size, u8 address_size, u64 port) {
    return in | (u64{size} << 4) | (u64{address_size} << 6) | ((port & 0xFFFF) << 16);
}

/// Of any of them, where only the lower 16 bits count.
inline u64 first_port(const Request& request) {
    const Instruction& instruction = request.instruction;
    return instruction.other == Operand::immediate ? instruction.immediate : request.frame.rdx;
}

/// Of strings also: string in bit 2, REP in bit 3, segment in [12:10].
inline u64 encode_ioio(const Request& request, bool in) {
    const Instruction& instruction = request.instruction;
    u64 info =
        encode_port(in, instruction.operand_size, instruction.address_size, first_port(request));
    if (instruction.mnemonic >= Mnemonic::ins) {
        info |= (instruction.repeat ? bit(2) | bit(3) : bit(2))
                | (static_cast<u64>(instruction.segment) << 10);
    }
    return info;
}

/// OUT shows the operand's bytes and no more: the rest of RAX is none of the hypervisor's business.
template <Mnemonic mnemonic, Exchanged registers, u8 in>
struct PortEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::ioio;
    static constexpr Quick quick             = Quick::port;
    static constexpr Exchanged exchanged     = registers;
    static constexpr u8 exitinfo1            = in;

    static constexpr bool is_raised_by(Mnemonic asked) { return asked == mnemonic; }

    template <class Cpu>
    [[clang::minsize]] static ghcb::Outcome serve(const Request& request) {
        return exchange<Cpu>(request, registers, encode_ioio(request, in != 0),
                             request.instruction.operand_size);
    }
};

using InEvent  = PortEvent<Mnemonic::in, Exchanged{{}, registers::rax}, 1>;
using OutEvent = PortEvent<Mnemonic::out, Exchanged{registers::rax, {}}, 0>;

} // namespace vestibule::vc
