// Legacy prefixes and REX (APM volume 3, section 1.2), and the sizes they choose.
#pragma once

#include "vc/instruction.h"
#include "x86/types.h"

namespace vestibule::vc {

struct Prefixes {
    static constexpr u8 rex_b = 1;
    static constexpr u8 rex_x = 2;
    static constexpr u8 rex_r = 4;
    static constexpr u8 rex_w = 8;

    u8 rex            = 0; // the whole byte, so that zero says there is none
    u8 repeat         = 0; // F2 or F3, the last of them
    bool operand_size = false;
    bool address_size = false;
    bool lock         = false;
    bool overridden   = false; // `segment` counts
    Segment segment   = Segment::ds;

    /// True if `byte` is a prefix in code of this size.
    constexpr bool take(u8 byte, CodeSize code_size) {
        if ((byte & 0xF0) == 0x40 && code_size == CodeSize::bits64) {
            rex = byte;
            return true;
        }
        switch (byte) {
        case 0x26: set_segment(Segment::es, code_size); break;
        case 0x2E: set_segment(Segment::cs, code_size); break;
        case 0x36: set_segment(Segment::ss, code_size); break;
        case 0x3E: set_segment(Segment::ds, code_size); break;
        case 0x64: set_segment(Segment::fs, code_size); break;
        case 0x65: set_segment(Segment::gs, code_size); break;
        case 0x66: operand_size = true; break;
        case 0x67: address_size = true; break;
        case 0xF0: lock = true; break;
        case 0xF2:
        case 0xF3: repeat = byte; break;
        default: return false;
        }
        // Section 1.2.7: a REX that another prefix follows is ignored.
        rex = 0;
        return true;
    }

    /// Bit 3 of a register number, if `rex_bit` is there.
    [[nodiscard]] constexpr u8 extension(u8 rex_bit) const { return (rex & rex_bit) != 0 ? 8 : 0; }

    /// In bytes (section 1.2.2).
    [[nodiscard]] constexpr u8 operand_bytes(CodeSize code_size) const {
        return (rex & rex_w) != 0 ? 8 : operand_bytes_without_rex(code_size);
    }

    [[nodiscard]] constexpr u8 operand_bytes_without_rex(CodeSize code_size) const {
        return operand_size == (code_size == CodeSize::bits16) ? 4 : 2;
    }

    /// In bytes (section 1.2.3).
    [[nodiscard]] constexpr u8 address_bytes(CodeSize code_size) const {
        if (!address_size) {
            return static_cast<u8>(2u << static_cast<u8>(code_size));
        }
        return code_size == CodeSize::bits32 ? 2 : 4;
    }

  private:
    constexpr void set_segment(Segment wanted, CodeSize code_size) {
        // Section 1.2.4: 64-bit code ignores the other four. An FS or GS before one stays.
        if (code_size != CodeSize::bits64 || wanted >= Segment::fs) {
            segment    = wanted;
            overridden = true;
        }
    }
};

} // namespace vestibule::vc
