// SPDX-License-Identifier: BSD-2-Clause-Patent
// The bytes of one instruction: each read once, in order, at most 15 (APM volume 3, section 1.1).
#pragma once

#include "vc/instruction.h"
#include "x86/types.h"

namespace vestibule::vc {

inline constexpr u8 max_instruction_length = 15;

/// Once there is an error, no more bytes are asked for and the rest reads as zero, which decodes to
/// something and ends: so the error needs looking at only once, after the instruction.
///
/// Two registers wide and handed on by value, so that it stays in them.
template <class NextByte>
class InstructionReader {
  public:
    constexpr explicit InstructionReader(NextByte& source) : next_byte{&source} {}

    constexpr u8 byte() {
        u8 value = 0;
        if (left == 0) {
            refuse(DecodeError::too_long);
            return 0;
        }
        if (!(*next_byte)(value)) {
            refuse(DecodeError::out_of_bytes);
            return 0;
        }
        --left;
        return value;
    }

    /// A little-endian number of 1 to 8 bytes, sign-extended.
    constexpr i64 signed_number(u8 size) {
        if (size == 1) {
            return static_cast<i8>(byte()); // the most frequent, and quick
        }
        u64 value = 0;
        for (u8 n = 0; n < size; ++n) {
            value = (value >> 8) | (u64{byte()} << 56);
        }
        return static_cast<i64>(value) >> ((64 - (8u * size)) & 63);
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
    NextByte* next_byte;
    u8 left           = max_instruction_length;
    DecodeError error = DecodeError::none;
};

} // namespace vestibule::vc
