// SPDX-License-Identifier: BSD-2-Clause-Patent
// The first bytes of an instruction in kernel code. What the short ways (vc/quick.h,
// vc/quick_mmio.h) do not serve is decoded from the bytes that they read, so that none is read
// twice.
#pragma once

#include "x86/types.h"

namespace vestibule::vc {

struct OpeningBytes {
    u64 bytes = 0; // the first one lowest
    u8 count  = 0;

    static constexpr u8 most = sizeof(u64);

    /// Whether that many can be read: the next page may not be there.
    static constexpr bool fit_at(u64 rip) { return (rip & (page_size - 1)) <= page_size - most; }

    static OpeningBytes at(u64 rip) {
        return {.bytes = *reinterpret_cast<const volatile u64*>(rip), .count = most};
    }

    constexpr u8 operator[](unsigned n) const { return static_cast<u8>(bytes >> (8 * n)); }
};

/// Reads them in order. Whoever uses it knows that the instruction is not longer.
class OpeningReader {
  public:
    constexpr explicit OpeningReader(OpeningBytes opening) : rest{opening.bytes} {}

    constexpr u8 byte() {
        const auto value = static_cast<u8>(rest);
        rest >>= 8;
        ++read;
        return value;
    }

    /// The next 1 or 4 bytes as a number.
    constexpr i64 signed_byte() { return static_cast<i8>(byte()); }

    constexpr i64 signed_doubleword() {
        const auto value = static_cast<i32>(rest);
        read += 4;
        return value;
    }

    [[nodiscard]] constexpr u8 length() const { return read; }

  private:
    u64 rest;
    u8 read = 0;
};

} // namespace vestibule::vc
