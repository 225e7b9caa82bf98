// SPDX-License-Identifier: BSD-2-Clause-Patent
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

/// What an opcode means beyond its row in the table.
template <class Reader>
constexpr void decode_special(CodeSize code_size, Prefixes prefixes, Instruction& instruction,
                              Reader& reader) {
    switch (instruction.mnemonic) {
    case Mnemonic::vmmcall: { // and all that begins with 0F 01
        // SECURITY: F2 and F3 make VMGEXIT of VMMCALL (volume 2, section 15.35.6). They and 66
        // choose other instructions in this group, or none.
        const u8 byte        = reader.byte();
        instruction.mnemonic = Mnemonic::none;
        if (!prefixes.repeats() && !prefixes.has(LegacyPrefix::operand_size)) {
            for (const Group7& member : group7) {
                if (member.modrm == byte) {
                    instruction.mnemonic = member.mnemonic;
                }
            }
        }
        break;
    }
    case Mnemonic::wbinvd:
        if (prefixes.has(LegacyPrefix::repeat_f3)) {
            instruction.mnemonic = Mnemonic::wbnoinvd;
        }
        break;
    case Mnemonic::read_dr7:
    case Mnemonic::write_dr7: { // ModRM.mod is ignored; REX.R would make it DR15
        const ModRm modrm{reader.byte()};
        if (modrm.reg() != 7 || prefixes.has_rex(Prefixes::rex_r)) {
            reader.refuse(DecodeError::unknown_opcode);
        }
        instruction.other        = Operand::general_register;
        instruction.reg.number   = modrm.rm() | prefixes.extension(Prefixes::rex_b);
        instruction.operand_size = code_size == CodeSize::bits64 ? 8 : 4;
        break;
    }
    case Mnemonic::movsx: // MOVSXD in 64-bit code, elsewhere ARPL. It has no 16-bit form.
        if (code_size != CodeSize::bits64 || instruction.operand_size == 2) {
            reader.refuse(DecodeError::unknown_opcode);
        }
        instruction.memory_size = 4;
        break;
    default: // 82, another 80, but not in 64-bit code
        if (code_size == CodeSize::bits64) {
            reader.refuse(DecodeError::unknown_opcode);
        }
        break;
    }
}

constexpr void decode_sizes(CodeSize code_size, Prefixes prefixes, u16 bits,
                            Instruction& instruction) {
    if ((bits & form::byte_operand) != 0) {
        instruction.operand_size = 1;
    } else if ((bits & form::port) != 0) {
        const u8 size            = prefixes.operand_bytes(code_size);
        instruction.operand_size = size < 4 ? size : 4; // REX.W overrides 66, no more
    } else {
        instruction.operand_size = prefixes.operand_bytes(code_size);
    }
    const u16 memory                  = bits & form::memory_mask;
    instruction.memory_size           = memory == 0                   ? instruction.operand_size
                                        : memory == form::memory_none ? u8{0}
                                                                      : static_cast<u8>(memory >> 13);
    instruction.memory_is_destination = (bits & form::to_memory) != 0;
}

/// Of a general register, byte registers being what they are (section 2.3.1 of volume 1).
constexpr GeneralRegister general_register(u8 number, u8 operand_size, Prefixes prefixes) {
    if (operand_size == 1 && !prefixes.has_rex() && number >= 4) {
        return {.number = static_cast<u8>(number - 4), .high_byte = true};
    }
    return {.number = number};
}

/// Reads ModRM and SIB. Returns the size of the displacement that follows.
template <class Reader>
constexpr u8 decode_modrm(CodeSize code_size, Prefixes prefixes, u16& bits,
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
        const u8 number   = modrm.reg() | prefixes.extension(Prefixes::rex_r);
        instruction.other = Operand::general_register;
        instruction.reg   = general_register(number, instruction.operand_size, prefixes);
    }
    MemoryOperand& memory = instruction.memory;
    const u8 size         = instruction.address_size == 2
                                ? decode_address16(modrm, memory)
                                : decode_address(modrm, code_size, prefixes, memory, reader);
    if (!prefixes.has_segment()) {
        instruction.segment = default_segment(memory);
    }
    return size;
}

/// What the opcode and the prefixes say by themselves.
constexpr void decode_row(CodeSize code_size, Prefixes prefixes, OpcodeTable::Row row,
                          Instruction& instruction) {
    instruction.mnemonic     = row.mnemonic;
    instruction.address_size = prefixes.address_bytes(code_size);
    instruction.repeat       = prefixes.repeats();
    instruction.segment      = prefixes.segment();
    if ((row.form & ~form::special) != 0) {
        decode_sizes(code_size, prefixes, row.form, instruction);
    }
}

/// IN, OUT, strings and what has no operands: whatever is over after a byte with a port.
template <class Reader>
constexpr void decode_short(u16 bits, Instruction& instruction, Reader& reader) {
    if ((bits & form::port_in_dx) != 0) {
        instruction.other = Operand::dx;
    } else if ((bits & form::port) != 0) {
        instruction.other     = Operand::immediate;
        instruction.immediate = reader.byte();
    }
    if ((bits & form::always_es) != 0) {
        instruction.segment = Segment::es;
    }
}

/// Instructions with a ModRM byte, with an absolute address or with rules of their own.
template <class Reader>
constexpr void decode_long(CodeSize code_size, Prefixes prefixes, u16 bits,
                           Instruction& instruction, Reader& reader) {
    if ((bits & form::special) != 0) {
        decode_special(code_size, prefixes, instruction, reader);
    }
    u8 displacement_size = 0;
    if ((bits & form::has_modrm) != 0) {
        displacement_size = decode_modrm(code_size, prefixes, bits, instruction, reader);
    } else if ((bits & form::absolute) != 0) {
        instruction.other = Operand::general_register; // rAX
        displacement_size = instruction.address_size;
    }
    if (displacement_size != 0) {
        instruction.memory.displacement = reader.signed_number(displacement_size);
    }
    if ((bits & (form::immediate_byte | form::immediate_full)) != 0) {
        const u8 full     = instruction.operand_size < 4 ? instruction.operand_size : u8{4};
        const u8 size     = (bits & form::immediate_byte) != 0 ? u8{1} : full;
        const i64 value   = reader.signed_number(size);
        instruction.other = Operand::immediate;
        instruction.immediate =
            (bits & form::zero_extended) != 0 ? static_cast<u8>(value) : static_cast<u64>(value);
    }
}

/// The row of the opcode that begins with `opcode`. Leaves the last byte of it there.
template <class Reader>
constexpr u8 opcode_row(u8& opcode, Reader& reader) {
    if (opcode != 0x0F) {
        return opcode_table.row_of[0][opcode];
    }
    opcode = reader.byte();
    return opcode_table.row_of[1][opcode];
}

/// Decodes one instruction of code whose default sizes are `code_size`.
///
/// `next_byte(u8&)` yields the next byte of the instruction, false where there is none.
template <class NextByte>
constexpr Decoded decode(CodeSize code_size, NextByte&& next_byte) {
    Decoded decoded;
    Instruction& instruction = decoded.instruction;
    InstructionReader reader{next_byte};

    Prefixes prefixes;
    u8 opcode = reader.byte();
    u8 row    = opcode_row(opcode, reader);
    if (!OpcodeTable::is_opcode(row)) {
        opcode = decode_prefixes(code_size, opcode, prefixes, reader);
        row    = opcode_row(opcode, reader);
    }
    if (OpcodeTable::is_opcode(row)) {
        const OpcodeTable::Row known = opcode_table.opcode(row);
        decode_row(code_size, prefixes, known, instruction);
        if ((known.form & form::long_mask) != 0) {
            decode_long(code_size, prefixes, known.form, instruction, reader);
        } else {
            decode_short(known.form, instruction, reader);
        }
    }
    if (prefixes.has(LegacyPrefix::lock) && !takes_lock(instruction)) {
        reader.refuse(instruction.mnemonic == Mnemonic::none ? DecodeError::unknown_opcode
                                                             : DecodeError::lock_prefix);
    }
    instruction.length = reader.length();
    if (instruction.mnemonic == Mnemonic::none) {
        reader.refuse(DecodeError::unknown_opcode);
    }
    if (reader.why_refused() != DecodeError::none) {
        decoded = {.instruction = {}, .error = reader.why_refused()};
    }
    return decoded;
}

} // namespace vestibule::vc
