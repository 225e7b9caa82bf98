// SPDX-License-Identifier: BSD-2-Clause-Patent
// Memory operands as ModRM and SIB spell them (APM volume 3, section 1.4).
#pragma once

#include "vc/decode_prefixes.h"
#include "vc/decode_reader.h"
#include "vc/instruction.h"
#include "x86/types.h"

namespace vestibule::vc {

struct ModRm {
    u8 byte;

    [[nodiscard]] constexpr u8 mod() const { return byte >> 6; }

    [[nodiscard]] constexpr u8 reg() const { return (byte >> 3) & 7; }

    [[nodiscard]] constexpr u8 rm() const { return byte & 7; }

    [[nodiscard]] constexpr bool names_memory() const { return byte < 0xC0; }

    /// In bytes, unless mod = 0 makes an exception. `full` is that of the address size.
    [[nodiscard]] constexpr u8 displacement_size(u8 full) const {
        return mod() == 2 ? full : mod(); // 0: none, 1: a byte
    }
};

namespace register_number {
inline constexpr u8 bx = 3;
inline constexpr u8 sp = 4;
inline constexpr u8 bp = 5;
inline constexpr u8 si = 6;
inline constexpr u8 di = 7;
} // namespace register_number

/// 16-bit addresses, by ModRM.rm (section A.3.1).
struct Address16 {
    u8 base;
    u8 index;
};

inline constexpr Address16 addresses16[] = {
    {register_number::bx, register_number::si       },
    {register_number::bx, register_number::di       },
    {register_number::bp, register_number::si       },
    {register_number::bp, register_number::di       },
    {register_number::si, MemoryOperand::no_register},
    {register_number::di, MemoryOperand::no_register},
    {register_number::bp, MemoryOperand::no_register},
    {register_number::bx, MemoryOperand::no_register},
};

/// Returns the size of the displacement that follows.
constexpr u8 decode_address16(ModRm modrm, MemoryOperand& memory) {
    if (modrm.mod() == 0 && modrm.rm() == 6) {
        return 2; // [disp16] where [BP] would be
    }
    memory.base  = addresses16[modrm.rm()].base;
    memory.index = addresses16[modrm.rm()].index;
    return modrm.displacement_size(2);
}

/// 32-bit and 64-bit addresses (sections A.3.1 and A.3.2). Reads SIB, if there is one, and returns
/// the size of the displacement that follows.
template <class Reader>
constexpr u8 decode_address(ModRm modrm, CodeSize code_size, Prefixes prefixes,
                            MemoryOperand& memory, Reader& reader) {
    u8 base = modrm.rm();
    if (base == 4) {
        const ModRm sib{reader.byte()}; // scale, index and base lie as mod, reg and rm do
        const auto index = static_cast<u8>(sib.reg() | prefixes.extension(Prefixes::rex_x));
        if (index != register_number::sp) {
            memory.index = index;
            memory.scale = static_cast<u8>(1u << sib.mod());
        }
        base = sib.rm();
    }
    // REX.B does not take part in choosing these: R13 has no form without displacement either.
    if (base == register_number::bp && modrm.mod() == 0) {
        if (modrm.rm() == base && code_size == CodeSize::bits64) {
            memory.base = MemoryOperand::rip;
        }
        return 4;
    }
    memory.base = base | prefixes.extension(Prefixes::rex_b);
    return modrm.displacement_size(4);
}

/// Section 1.2.4: the stack segment if the base is the stack or frame pointer.
constexpr Segment default_segment(const MemoryOperand& memory) {
    return memory.base == register_number::sp || memory.base == register_number::bp ? Segment::ss
                                                                                    : Segment::ds;
}

} // namespace vestibule::vc
