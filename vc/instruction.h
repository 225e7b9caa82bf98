// The instructions that a #VC can stand at, as the decoder names them.
#pragma once

#include "x86/types.h"

namespace vestibule::vc {

enum class Mnemonic : u8 { none, cpuid, rdmsr, wrmsr, in, out };

struct Instruction {
    Mnemonic mnemonic = Mnemonic::none;
    u8 length         = 0;     // in bytes, prefixes included
    u8 operand_size   = 0;     // IN, OUT: 1, 2 or 4 bytes
    u8 address_size   = 8;     // 4 or 8 bytes
    bool port_in_dx   = false; // IN, OUT: port from DX, else from the immediate
    u8 immediate      = 0;
};

/// Why the decoder refuses.
enum class DecodeError : u8 {
    none,
    unknown_opcode, // no instruction that this decoder serves
    too_long,       // more than 15 bytes
    out_of_bytes,   // the source ended inside the instruction
    lock_prefix,    // LOCK before an instruction that does not take it: #UD
};

constexpr const char* decode_error_name(DecodeError error) {
    switch (error) {
    case DecodeError::none: return "none";
    case DecodeError::unknown_opcode: return "unknown opcode";
    case DecodeError::too_long: return "longer than 15 bytes";
    case DecodeError::out_of_bytes: return "out of bytes";
    case DecodeError::lock_prefix: return "LOCK prefix";
    }
    return "?";
}

} // namespace vestibule::vc
