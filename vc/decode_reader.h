// The bytes of one instruction: each read once, in order, at most 15 (APM volume 3, section 1.1).
#pragma once

#include "vc/instruction.h"
#include "x86/types.h"

namespace vestibule::vc {

inline constexpr u8 max_instruction_length = 15;

/// Once there is an error, no more bytes are asked for and the rest reads as zero, which decodes to
/// something and ends: so the error needs looking at only once, after the instruction.
template <class NextByte>
class InstructionReader {
  public:
    constexpr explicit InstructionReader(NextByte& next_byte) : next_byte{next_byte} {}

    constexpr u8 byte() {
        u8 value = 0;
        if (left == 0) {
            refuse(DecodeError::too_long);
            return 0;
        }
        if (!next_byte(value)) {
            refuse(DecodeError::out_of_bytes);
            return 0;
        }
        --left;
        return value;
    }

    /// A little-endian number of 1 to 8 bytes, zero-extended.
    constexpr u64 unsigned_number(u8 size) {
        u64 value = 0;
        for (u8 shift = 0; shift < 8 * size; shift += 8) {
            value |= u64{byte()} << shift;
        }
        return value;
    }

    constexpr i64 signed_number(u8 size) {
        const unsigned unused = 64 - (8u * size);
        return static_cast<i64>(unsigned_number(size) << unused) >> unused;
    }

    /// The first reason to refuse is the one that counts.
    constexpr void refuse(DecodeError reason) {
        if (error == DecodeError::none) {
            error = reason;
        }
        left = 0;
    }

    /// In bytes so far; of an instruction that is refused, meaningless.
    [[nodiscard]] constexpr u8 length() const {
        return static_cast<u8>(max_instruction_length - left);
    }

    [[nodiscard]] constexpr DecodeError why_refused() const { return error; }

  private:
    NextByte& next_byte;
    u8 left           = max_instruction_length;
    DecodeError error = DecodeError::none;
};

} // namespace vestibule::vc
