// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the instructions that reach memory-mapped I/O compute, and the status flags they leave (APM
// volume 3, chapter 3). Flags that the manual leaves undefined: AF is zero after logical
// operations, as CPUs have it, and bit tests change CF only.
#pragma once

#include "vc/instruction.h"
#include "vc/registers.h"
#include "x86/registers.h"
#include "x86/types.h"

namespace vestibule::vc {

struct AluResult {
    u64 value  = 0; // the new destination, if the instruction writes one
    u64 rflags = 0;
};

namespace alu {

/// `carries` are those out of each bit of an addition; for subtraction, the borrows.
constexpr AluResult with_status(u64 value, u64 carries, u64 sign, u64 kept_flags) {
    namespace rflags = x86::rflags;
    u64 flags        = kept_flags & ~rflags::status;
    const auto set   = [&flags](bool condition, u64 flag) { flags |= condition ? flag : 0; };
    set((carries & sign) != 0, rflags::cf);
    set(((carries ^ (carries << 1)) & sign) != 0, rflags::of);
    set((carries & 8) != 0, rflags::af);
    set(value == 0, rflags::zf);
    set((value & sign) != 0, rflags::sf);
    // Even numbers among 0 to 15 bits set, as a table of 16 bits.
    set((0x9669U >> ((value ^ (value >> 4)) & 15) & 1) != 0, rflags::pf);
    return {.value = value, .rflags = flags};
}

} // namespace alu

/// Destination and source as the instruction has them; both cut to `size`. For bit tests, `source`
/// is the bit's number in the destination.
[[gnu::noinline, clang::minsize]] constexpr AluResult compute(Mnemonic mnemonic, u64 destination,
                                                              u64 source, u8 size, u64 rflags) {
    namespace flag = x86::rflags;
    const u64 mask = size_mask(size);
    const u64 sign = bit((8u * size - 1) & 63);
    u64 carry      = 0;
    bool subtract  = false;
    switch (mnemonic) {
    case Mnemonic::and_:
    case Mnemonic::test: return alu::with_status(destination & source, 0, sign, rflags);
    case Mnemonic::or_: return alu::with_status(destination | source, 0, sign, rflags);
    case Mnemonic::xor_: return alu::with_status(destination ^ source, 0, sign, rflags);
    case Mnemonic::not_: return {.value = ~destination & mask, .rflags = rflags};
    case Mnemonic::bt:
    case Mnemonic::bts:
    case Mnemonic::btr:
    case Mnemonic::btc: {
        const u64 chosen = bit(static_cast<unsigned>(source));
        const u64 flags  = (rflags & ~flag::cf) | ((destination & chosen) != 0 ? flag::cf : 0);
        if (mnemonic == Mnemonic::btc) {
            return {.value = destination ^ chosen, .rflags = flags};
        }
        return {.value  = mnemonic == Mnemonic::bts ? destination | chosen : destination & ~chosen,
                .rflags = flags};
    }
    case Mnemonic::adc: carry = rflags & flag::cf; break;
    case Mnemonic::add: break;
    case Mnemonic::inc: source = 1; break;
    case Mnemonic::sbb: carry = rflags & flag::cf; [[fallthrough]];
    case Mnemonic::cmp:
    case Mnemonic::sub: subtract = true; break;
    case Mnemonic::dec:
        source   = 1;
        subtract = true;
        break;
    case Mnemonic::neg:
        source      = destination;
        destination = 0;
        subtract    = true;
        break;
    default: return {.value = source, .rflags = rflags}; // MOV, MOVZX, MOVSX, STOS, XCHG
    }
    // a - b = ~(~a + b), and what is borrowed there is carried here.
    const u64 inverted = subtract ? mask : 0;
    const u64 left     = destination ^ inverted;
    const u64 sum      = (left + source + carry) & mask;
    const u64 carries  = (left & source) | ((left | source) & ~sum);
    AluResult result   = alu::with_status(sum ^ inverted, carries, sign, rflags);
    if (mnemonic == Mnemonic::inc || mnemonic == Mnemonic::dec) {
        result.rflags = (result.rflags & ~flag::cf) | (rflags & flag::cf);
    }
    return result;
}

} // namespace vestibule::vc
