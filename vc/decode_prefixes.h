// SPDX-License-Identifier: BSD-2-Clause-Patent
// Legacy prefixes and REX (APM volume 3, section 1.2), and the sizes they choose.
#pragma once

#include "vc/decode_reader.h"
#include "vc/instruction.h"
#include "vc/opcodes.h"
#include "x86/types.h"

namespace vestibule::vc {

/// All of them in one register.
class Prefixes {
  public:
    static constexpr u8 rex_b = 1;
    static constexpr u8 rex_x = 2;
    static constexpr u8 rex_r = 4;
    static constexpr u8 rex_w = 8;

    constexpr void take_rex(u8 byte) { bits = (bits & ~rex_mask) | byte; }

    constexpr void take(LegacyPrefix prefix, CodeSize code_size) {
        bits &= ~rex_mask; // section 1.2.7: a REX that another prefix follows is ignored
        if (prefix >= LegacyPrefix::operand_size) {
            if (prefix >= LegacyPrefix::repeat_f2) {
                bits &= ~(flag(LegacyPrefix::repeat_f2) | flag(LegacyPrefix::repeat_f3));
            }
            bits |= flag(prefix);
        } else if (code_size != CodeSize::bits64 || prefix >= LegacyPrefix::fs) {
            // Section 1.2.4: 64-bit code ignores the other four. An FS or GS before one stays.
            bits = (bits & ~segment_mask) | static_cast<u32>(prefix) << segment_shift | overridden;
        }
    }

    [[nodiscard]] constexpr bool has_rex() const { return (bits & rex_mask) != 0; }

    [[nodiscard]] constexpr bool has_rex(u8 rex_bit) const { return (bits & rex_bit) != 0; }

    [[nodiscard]] constexpr bool has(LegacyPrefix prefix) const {
        return (bits & flag(prefix)) != 0;
    }

    /// F2 or F3.
    [[nodiscard]] constexpr bool repeats() const {
        return has(LegacyPrefix::repeat_f2) || has(LegacyPrefix::repeat_f3);
    }

    [[nodiscard]] constexpr bool has_segment() const { return (bits & overridden) != 0; }

    /// DS if there is none.
    [[nodiscard]] constexpr Segment segment() const {
        return static_cast<Segment>((bits & segment_mask) >> segment_shift);
    }

    /// Bit 3 of a register number, if `rex_bit` is there.
    [[nodiscard]] constexpr u8 extension(u8 rex_bit) const { return has_rex(rex_bit) ? 8 : 0; }

    /// In bytes (section 1.2.2). Of both, REX.W wins over 66.
    [[nodiscard]] constexpr u8 operand_bytes(CodeSize code_size) const {
        if (has_rex(rex_w)) {
            return 8;
        }
        return has(LegacyPrefix::operand_size) == (code_size == CodeSize::bits16) ? 4 : 2;
    }

    /// In bytes (section 1.2.3).
    [[nodiscard]] constexpr u8 address_bytes(CodeSize code_size) const {
        if (!has(LegacyPrefix::address_size)) {
            return static_cast<u8>(2u << static_cast<u8>(code_size));
        }
        return code_size == CodeSize::bits32 ? 2 : 4;
    }

  private:
    static constexpr u32 rex_mask      = 0xFF; // the whole byte, so that zero says there is none
    static constexpr u32 overridden    = 1u << 8;
    static constexpr u32 segment_shift = 9;
    static constexpr u32 segment_mask  = 7u << segment_shift;

    static constexpr u32 flag(LegacyPrefix prefix) { return 1u << (16 + static_cast<u8>(prefix)); }

    u32 bits = static_cast<u32>(Segment::ds) << segment_shift;
};

/// Takes prefixes, in any order and number, from `byte` on. Returns the first byte that is none.
template <class Reader>
constexpr u8 decode_prefixes(CodeSize code_size, u8 byte, Prefixes& prefixes, Reader& reader) {
    while (true) {
        if (const u8 row = opcode_table.row_of[0][byte]; OpcodeTable::is_prefix(row)) {
            prefixes.take(OpcodeTable::prefix(row), code_size);
        } else if (code_size == CodeSize::bits64 && (byte & 0xF0) == 0x40) {
            prefixes.take_rex(byte);
        } else {
            return byte;
        }
        byte = reader.byte();
    }
}

} // namespace vestibule::vc
