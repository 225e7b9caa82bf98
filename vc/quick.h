// SPDX-License-Identifier: BSD-2-Clause-Patent
// The short way of a #VC, for nearly all of them: 64-bit kernel code, an instruction of one or two
// opcode bytes without a prefix, and nothing to do but to exchange registers. It decides by the
// same tables as the long way and checks the same; what it does not serve goes that way, together
// with the bytes that were read here, so that none is read twice.
#pragma once

#include "vc/events.h"
#include "vc/opcodes.h"
#include "vc/opening.h"
#include "vc/request.h"

namespace vestibule::vc {

/// What came of a #VC, and how long its instruction is.
struct Served {
    ghcb::Outcome outcome = ghcb::Outcome::done();
    u8 length             = 0; // 0: not served, if the outcome is done
    OpeningBytes opening  = {};
    bool ends_segment     = false; // nothing can be executed behind the instruction
};

/// Serves the #VC if it is one of those.
template <class Cpu>
[[gnu::always_inline]] inline Served serve_quickly(Frame& frame, Context& context) {
    const auto* code = reinterpret_cast<const volatile u8*>(frame.rip);
    const u8 first   = code[0];
    u8 length        = 1;
    u8 row           = opcode_table.row_of[0][first];
    OpeningBytes opening{.bytes = first, .count = 1};
    if (first == 0x0F) {
        const u8 second = code[1];
        length          = 2;
        row             = opcode_table.row_of[1][second];
        opening         = {.bytes = u64{second} << 8 | first, .count = 2};
    }
    const Served not_here{.opening = opening};
    if (!OpcodeTable::is_opcode(row)) {
        return not_here;
    }
    const OpcodeTable::Row known = opcode_table.opcode(row);
    if ((known.form & form::long_mask) != 0) {
        return not_here;
    }
    // SECURITY (WeSee, CVE-2024-25742): what stands there must be what the exit code claims.
    const EventRow& event = Events::row_of(known.mnemonic);
    if (event.exit_code != frame.error_code) {
        return not_here;
    }
    u64 exitinfo1 = event.exitinfo1;
    u64 mask      = size_mask(4);
    if (event.quick != Quick::always) {
        if (event.quick == Quick::port) {
            const u64 port = (known.form & form::port_in_dx) != 0 ? frame.rdx : code[length++];
            const bool one = (known.form & form::byte_operand) != 0;
            mask           = one ? size_mask(1) : size_mask(4);
            exitinfo1      = encode_port(exitinfo1, one ? 1 : 4, 8, port);
        } else if (event.quick == Quick::msr) {
            const bool may_be_forged =
                Cpu::serves_kernel
                    ? vmsa_msr_filter.may_hold(frame.rcx) && is_forged_msr<Cpu>(frame, exitinfo1)
                    : static_cast<i32>(frame.rcx) < 0;
            if (may_be_forged) [[unlikely]] {
                return not_here;
            }
        } else if (Cpu::serves_kernel && event.quick == Quick::cpuid
                   && context.cpuid_table != nullptr) {
            return {.outcome = serve_from_page<Cpu>(frame, context), .length = length};
        } else if (event.quick == Quick::never
                   || low_half(frame.rax) == x86::cpuid_leaf::extended_state) {
            return not_here;
        }
    }
    ghcb::Call<Cpu> call{context.ghcb};
    return {.outcome = exchange_quickly(call, frame, event.exchanged, exitinfo1, mask),
            .length  = length};
}

} // namespace vestibule::vc
