// The instruction decoder. It says which instruction stands at a #VC, so that no handler has to
// believe the exit code, which the hypervisor chose (APM volume 3, chapter 1 and appendix A).
//
// It reads each byte once, in order, at most 15, and none past the end of the instruction: an
// instruction that ends a page never touches the next one. It needs nothing but x86/types.h.
#pragma once

#include "vc/decode_address.h"
#include "vc/decode_prefixes.h"
#include "vc/decode_reader.h"
#include "vc/instruction.h"
#include "vc/opcodes.h"
#include "x86/types.h"

namespace vestibule::vc {

struct Decoded {
    Instruction instruction;
    DecodeError error = DecodeError::none;
};

/// Section 1.2.5.
constexpr bool takes_lock(const Instruction& instruction) {
    return instruction.memory_is_destination && instruction.mnemonic >= Mnemonic::add
           && instruction.mnemonic <= Mnemonic::btc;
}

/// What an opcode says beyond its row in the table.
template <class Reader>
constexpr void decode_special(CodeSize code_size, const Prefixes& prefixes, u8 opcode,
                              Instruction& instruction, Reader& reader) {
    switch (opcode) {
    case 0x01: {
        // SECURITY: F2 or F3 makes VMGEXIT of VMMCALL (volume 2, section 15.35.6) and MCOMMIT of
        // MONITORX. The others of the group have no meaning with one either.
        const u8 byte = reader.byte();
        if (prefixes.repeat == 0) {
            for (const Group7& member : group7) {
                if (member.modrm == byte) {
                    instruction.mnemonic = member.mnemonic;
                }
            }
        }
        break;
    }
    case 0x09: // WBINVD
        if (prefixes.repeat == 0xF3) {
            instruction.mnemonic = Mnemonic::wbnoinvd;
        }
        break;
    case 0x21:
    case 0x23: { // MOV from and to debug registers: mod is ignored, REX.R would make it DR15
        const ModRm modrm{reader.byte()};
        if (modrm.reg() != 7 || prefixes.extension(Prefixes::rex_r) != 0) {
            reader.refuse(DecodeError::unknown_opcode);
        }
        instruction.other        = Operand::general_register;
        instruction.reg.number   = modrm.rm() | prefixes.extension(Prefixes::rex_b);
        instruction.operand_size = code_size == CodeSize::bits64 ? 8 : 4;
        break;
    }
    case 0x63: // MOVSXD in 64-bit code, elsewhere ARPL
        if (code_size != CodeSize::bits64) {
            reader.refuse(DecodeError::unknown_opcode);
        }
        if (instruction.operand_size == 8) {
            instruction.memory_size = 4;
        }
        break;
    case 0x82: // another 80, but not in 64-bit code
        if (code_size == CodeSize::bits64) {
            reader.refuse(DecodeError::unknown_opcode);
        }
        break;
    default: break;
    }
}

constexpr void decode_sizes(CodeSize code_size, const Prefixes& prefixes, u16 bits,
                            Instruction& instruction) {
    if ((bits & form::byte_operand) != 0) {
        instruction.operand_size = 1;
    } else if ((bits & form::port) != 0) {
        instruction.operand_size = prefixes.operand_bytes_without_rex(code_size);
    } else {
        instruction.operand_size = prefixes.operand_bytes(code_size);
    }
    switch (bits & form::memory_mask) {
    case form::memory_byte: instruction.memory_size = 1; break;
    case form::memory_word: instruction.memory_size = 2; break;
    case form::memory_none: break;
    default: instruction.memory_size = instruction.operand_size; break;
    }
    instruction.memory_is_destination = (bits & form::to_memory) != 0;
}

/// Of a general register, byte registers being what they are (section 2.3.1 of volume 1).
constexpr GeneralRegister general_register(u8 number, u8 operand_size, const Prefixes& prefixes) {
    if (operand_size == 1 && prefixes.rex == 0 && number >= 4) {
        return {.number = static_cast<u8>(number - 4), .high_byte = true};
    }
    return {.number = number};
}

template <class Reader>
constexpr void decode_modrm(CodeSize code_size, const Prefixes& prefixes, u16& bits,
                            Instruction& instruction, Reader& reader) {
    const ModRm modrm{reader.byte()};
    if (const unsigned group = bits & form::group_mask; group != 0) {
        instruction.mnemonic = groups[group - 1].mnemonic[modrm.reg()];
        if (group == form::group3 && instruction.mnemonic == Mnemonic::test) {
            bits |= form::immediate_full; // the group's others have none
        }
        if (instruction.mnemonic == Mnemonic::none) {
            reader.refuse(DecodeError::unknown_opcode);
        }
    }
    if (!modrm.names_memory()) {
        reader.refuse(DecodeError::no_memory_operand);
    }
    if ((bits & form::with_register) != 0) {
        instruction.other = Operand::general_register;
        instruction.reg =
            general_register(static_cast<u8>(modrm.reg() | prefixes.extension(Prefixes::rex_r)),
                             instruction.operand_size, prefixes);
    }
    instruction.memory = instruction.address_size == 2
                             ? decode_address16(modrm, reader)
                             : decode_address(modrm, code_size, prefixes, reader);
    if (!prefixes.overridden) {
        instruction.segment = default_segment(instruction.memory);
    }
}

/// What follows the opcode, in the order in which it does.
template <class Reader>
constexpr void decode_operands(CodeSize code_size, const Prefixes& prefixes, u16 bits,
                               Instruction& instruction, Reader& reader) {
    if ((bits & form::has_modrm) != 0) {
        decode_modrm(code_size, prefixes, bits, instruction, reader);
    } else if ((bits & form::absolute) != 0) {
        instruction.other = Operand::general_register;
        instruction.memory.displacement =
            static_cast<i64>(reader.unsigned_number(instruction.address_size));
    } else if ((bits & form::port_in_dx) != 0) {
        instruction.other = Operand::dx;
    }
    if (instruction.mnemonic == Mnemonic::ins || instruction.mnemonic == Mnemonic::stos) {
        instruction.segment = Segment::es;
    }
    if ((bits & (form::immediate_byte | form::immediate_full)) != 0) {
        const u8 full         = instruction.operand_size < 4 ? instruction.operand_size : u8{4};
        const u8 size         = (bits & form::immediate_byte) != 0 ? u8{1} : full;
        instruction.other     = Operand::immediate;
        instruction.immediate = (bits & form::zero_extended) != 0
                                    ? reader.byte()
                                    : static_cast<u64>(reader.signed_number(size));
    }
}

/// Decodes one instruction of code whose default sizes are `code_size`.
///
/// `next_byte(u8&)` yields the next byte of the instruction, false where there is none.
template <class NextByte>
constexpr Decoded decode(CodeSize code_size, NextByte&& next_byte) {
    InstructionReader<NextByte> reader{next_byte};
    Instruction instruction;
    Prefixes prefixes;

    u8 opcode = reader.byte();
    u8 row    = opcode_table.row_of[0][opcode];
    while (row == 0 && prefixes.take(opcode, code_size)) {
        opcode = reader.byte();
        row    = opcode_table.row_of[0][opcode];
    }
    if (opcode == 0x0F) {
        opcode = reader.byte();
        row    = opcode_table.row_of[1][opcode];
    }
    instruction.mnemonic     = opcode_table.rows[row].mnemonic;
    instruction.address_size = prefixes.address_bytes(code_size);
    instruction.repeat       = prefixes.repeat != 0;
    instruction.segment      = prefixes.segment;

    if (const u16 bits = opcode_table.rows[row].form; bits != form::plain) {
        if (bits != form::special) {
            decode_sizes(code_size, prefixes, bits, instruction);
        }
        if ((bits & form::special) != 0) {
            decode_special(code_size, prefixes, opcode, instruction, reader);
        }
        decode_operands(code_size, prefixes, bits, instruction, reader);
    }
    if (instruction.mnemonic == Mnemonic::none) {
        reader.refuse(DecodeError::unknown_opcode);
    }
    if (prefixes.lock && !takes_lock(instruction)) {
        reader.refuse(DecodeError::lock_prefix);
    }
    instruction.length = reader.length();
    if (reader.why_refused() != DecodeError::none) {
        return {.instruction = {}, .error = reader.why_refused()};
    }
    return {.instruction = instruction};
}

} // namespace vestibule::vc
