// The short way of a #VC, for nearly all of them: 64-bit kernel code, an instruction of one or two
// opcode bytes without a prefix, and nothing to do but to exchange registers. It decides by the
// same tables as the long way and checks the same; what it does not serve goes that way, together
// with the bytes that were read here, so that none is read twice.
#pragma once

#include "vc/events.h"
#include "vc/opcodes.h"
#include "vc/request.h"

namespace vestibule::vc {

/// Bytes of the instruction that were read already.
struct OpeningBytes {
    u8 byte[2] = {};
    u8 count   = 0;
};

/// Serves the #VC if it is one of those: `length` is then the instruction's, else zero.
template <class Cpu>
[[gnu::always_inline]] inline ghcb::Outcome serve_quickly(Frame& frame, Context& context,
                                                          OpeningBytes& opening, u8& length) {
    const auto* code = reinterpret_cast<const volatile u8*>(frame.rip);
    const u8 first   = code[0];
    u8 bytes         = 1;
    u8 row           = opcode_table.row_of[0][first];
    opening          = {.byte = {first}, .count = 1};
    if (first == 0x0F) {
        const u8 second = code[1];
        bytes           = 2;
        row             = opcode_table.row_of[1][second];
        opening         = {
                    .byte = {first, second},
                      .count = 2
        };
    }
    if (!OpcodeTable::is_opcode(row)) {
        return ghcb::Outcome::done();
    }
    const OpcodeTable::Row known = opcode_table.opcode(row);
    const EventRow& event        = Events::row_of(known.mnemonic);
    // SECURITY (WeSee, CVE-2024-25742): what stands there must be what the exit code claims.
    if ((known.form & form::long_mask) != 0 || event.exit_code != frame.error_code) {
        return ghcb::Outcome::done();
    }
    Exchanged exchanged = event.exchanged;
    u64 exitinfo1       = exchanged.exitinfo1;
    u8 size             = 4;
    switch (event.quick) {
    case Quick::never: return ghcb::Outcome::done();
    case Quick::always: break;
    case Quick::cpuid:
        if (low_half(frame.rax) == x86::cpuid_leaf::extended_state) {
            return ghcb::Outcome::done(); // needs more than registers
        }
        break;
    case Quick::port: {
        const bool in  = known.mnemonic == Mnemonic::in;
        const u64 port = (known.form & form::port_in_dx) != 0 ? frame.rdx : code[bytes++];
        exchanged      = IoioEvent::exchanged_by(in);
        size           = (known.form & form::byte_operand) != 0 ? 1 : 4;
        exitinfo1      = IoioEvent::encode_plain(in, size, 8, port);
        break;
    }
    }
    length = bytes;
    return exchange<Cpu>(frame, context.ghcb, exchanged, exitinfo1, size);
}

} // namespace vestibule::vc
