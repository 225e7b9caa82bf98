// The opcodes that the decoder knows, as a table, and the two 256-entry maps made of it at compile
// time (APM volume 3, appendix A).
#pragma once

#include "vc/instruction.h"
#include "x86/types.h"

namespace vestibule::vc {

/// What follows the opcode, and where the operand size comes from.
enum class Form : u8 {
    plain,          // nothing
    byte_immediate, // AL and a port in an immediate byte
    full_immediate, // AX or EAX by operand size, and a port in an immediate byte
    byte_dx,        // AL, port in DX
    full_dx,        // AX or EAX by operand size, port in DX
};

enum class Map : u8 { one_byte, two_byte }; // two_byte: after 0F

struct Opcode {
    Map map;
    u8 byte;
    Mnemonic mnemonic;
    Form form;
};

inline constexpr Opcode opcodes[] = {
    {Map::one_byte, 0xE4, Mnemonic::in,    Form::byte_immediate},
    {Map::one_byte, 0xE5, Mnemonic::in,    Form::full_immediate},
    {Map::one_byte, 0xE6, Mnemonic::out,   Form::byte_immediate},
    {Map::one_byte, 0xE7, Mnemonic::out,   Form::full_immediate},
    {Map::one_byte, 0xEC, Mnemonic::in,    Form::byte_dx       },
    {Map::one_byte, 0xED, Mnemonic::in,    Form::full_dx       },
    {Map::one_byte, 0xEE, Mnemonic::out,   Form::byte_dx       },
    {Map::one_byte, 0xEF, Mnemonic::out,   Form::full_dx       },
    {Map::two_byte, 0x30, Mnemonic::wrmsr, Form::plain         },
    {Map::two_byte, 0x32, Mnemonic::rdmsr, Form::plain         },
    {Map::two_byte, 0xA2, Mnemonic::cpuid, Form::plain         },
};

/// Opcode byte to row of the table above plus one; 0 = not known.
struct OpcodeMap {
    u8 row_plus_one[256];

    static consteval OpcodeMap of(Map wanted) {
        OpcodeMap map{};
        u8 row = 0;
        for (const Opcode& opcode : opcodes) {
            ++row;
            if (opcode.map == wanted) {
                map.row_plus_one[opcode.byte] = row;
            }
        }
        return map;
    }
};

inline constexpr OpcodeMap one_byte_map = OpcodeMap::of(Map::one_byte);
inline constexpr OpcodeMap two_byte_map = OpcodeMap::of(Map::two_byte);

} // namespace vestibule::vc
