// The instruction decoder. It says which instruction stands at a #VC, so that no handler has to
// believe the exit code, which the hypervisor chose (APM volume 3, chapter 1).
//
// It reads each byte once, in order, at most 15, and none past the end of the instruction: an
// instruction that ends a page never touches the next one.
#pragma once

#include "vc/instruction.h"
#include "vc/opcodes.h"
#include "x86/types.h"

namespace vestibule::vc {

inline constexpr u8 max_instruction_length = 15;

struct Decoded {
    Instruction instruction;
    DecodeError error = DecodeError::none;
};

/// Decodes one instruction of code whose default sizes are `code_size`.
///
/// `next_byte(u8&)` yields the next byte of the instruction, false where there is none.
template <class NextByte>
constexpr Decoded decode(CodeSize code_size, NextByte&& next_byte) {
    if (code_size != CodeSize::bits64) {
        return {.instruction = {}, .error = DecodeError::unknown_opcode};
    }
    Instruction instruction;
    bool operand_size_prefix = false;
    bool rex_w               = false;
    bool lock                = false;
    u8 byte                  = 0;

    const auto fail  = [](DecodeError error) { return Decoded{.instruction = {}, .error = error}; };
    const auto fetch = [&]() -> DecodeError {
        if (instruction.length == max_instruction_length) {
            return DecodeError::too_long;
        }
        if (!next_byte(byte)) {
            return DecodeError::out_of_bytes;
        }
        ++instruction.length;
        return DecodeError::none;
    };

    // Legacy prefixes in any order and number. Of REX only the one right before the opcode counts.
    // Its W overrides 66h, which leaves IN and OUT, that have no 64-bit operand, at 32 bits.
    const Opcode* opcode = nullptr;
    while (opcode == nullptr) {
        if (const DecodeError error = fetch(); error != DecodeError::none) {
            return fail(error);
        }
        const bool rex_w_before = rex_w;
        rex_w                   = false;
        if (const u8 row = one_byte_map.row_plus_one[byte]; row != 0) {
            opcode = &opcodes[row - 1];
            rex_w  = rex_w_before;
            break;
        }
        switch (byte) {
        case 0x66: operand_size_prefix = true; continue;
        case 0x67: instruction.address_size = 4; continue;
        case 0xF0: lock = true; continue;
        case 0x26:
        case 0x2E:
        case 0x36:
        case 0x3E:
        case 0x64:
        case 0x65:
        case 0xF2:
        case 0xF3: continue;
        case 0x0F: {
            if (const DecodeError error = fetch(); error != DecodeError::none) {
                return fail(error);
            }
            const u8 row = two_byte_map.row_plus_one[byte];
            if (row == 0) {
                return fail(DecodeError::unknown_opcode);
            }
            opcode = &opcodes[row - 1];
            break;
        }
        default:
            if ((byte & 0xF0) != 0x40) { // REX
                return fail(DecodeError::unknown_opcode);
            }
            rex_w = (byte & 8) != 0;
        }
    }
    if (lock) {
        return fail(DecodeError::lock_prefix);
    }

    instruction.mnemonic = opcode->mnemonic;
    const u8 full_size   = operand_size_prefix && !rex_w ? 2 : 4;
    switch (opcode->form) {
    case Form::plain: break;
    case Form::byte_dx:
        instruction.operand_size = 1;
        instruction.other        = Operand::dx;
        break;
    case Form::full_dx:
        instruction.operand_size = full_size;
        instruction.other        = Operand::dx;
        break;
    case Form::byte_immediate:
    case Form::full_immediate:
        instruction.operand_size = opcode->form == Form::byte_immediate ? u8{1} : full_size;
        if (const DecodeError error = fetch(); error != DecodeError::none) {
            return fail(error);
        }
        instruction.other     = Operand::immediate;
        instruction.other     = Operand::immediate;
        instruction.immediate = byte;
        break;
    }
    return {.instruction = instruction};
}

} // namespace vestibule::vc
