// SPDX-License-Identifier: BSD-2-Clause-Patent
// CRC-32 of IEEE 802.3 (reflected polynomial 0xEDB88320, all-ones start and final inversion): the
// checksum of an IGVM file's headers. Our own because sevsim's monitor has no zlib.
#pragma once

#include "x86/types.h"

#include <array>
#include <span>

namespace vestibule::igvm {

class Crc32 {
  public:
    constexpr void add(std::span<const u8> bytes) {
        for (const u8 byte : bytes) {
            state_ = table[(state_ ^ byte) & 0xFF] ^ (state_ >> 8);
        }
    }

    [[nodiscard]] constexpr u32 value() const { return ~state_; }

  private:
    static constexpr std::array<u32, 256> table = [] {
        std::array<u32, 256> result{};
        for (u32 byte = 0; byte < result.size(); ++byte) {
            u32 remainder = byte;
            for (int step = 0; step < 8; ++step) {
                remainder = (remainder >> 1) ^ ((remainder & 1) != 0 ? 0xEDB8'8320 : 0);
            }
            result[byte] = remainder;
        }
        return result;
    }();

    u32 state_ = ~u32{0};
};

} // namespace vestibule::igvm
