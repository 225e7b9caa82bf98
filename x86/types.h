// SPDX-License-Identifier: BSD-2-Clause-Patent
// The machine's integers by width. Only <stdint.h> and <stddef.h>, which every freestanding target
// has, since this header is shared by code for i386, x86-64 and (EFI) the Windows ABI.
#pragma once

#include <stddef.h>
#include <stdint.h>

namespace vestibule {

using u8  = uint8_t;
using u16 = uint16_t;
using u32 = uint32_t;
using u64 = uint64_t;
using i8  = int8_t;
using i16 = int16_t;
using i32 = int32_t;
using i64 = int64_t;

inline constexpr u64 page_size = 4096;

/// The bit `n` of a 64-bit register.
constexpr u64 bit(unsigned n) { return u64{1} << n; }

/// A 64-bit value from the EDX:EAX pair in which MSR instructions move it.
constexpr u64 from_halves(u32 high, u32 low) { return (u64{high} << 32) | low; }

constexpr u32 low_half(u64 value) { return static_cast<u32>(value); }

constexpr u32 high_half(u64 value) { return static_cast<u32>(value >> 32); }

} // namespace vestibule
