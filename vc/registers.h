// SPDX-License-Identifier: BSD-2-Clause-Patent
// General registers of the interrupted code, by number and size (APM volume 1, section 3.1).
#pragma once

#include "vc/frame.h"
#include "vc/instruction.h"
#include "x86/types.h"

namespace vestibule::vc {

/// Numbers of registers that instructions name without saying so.
namespace gpr {
inline constexpr u8 rcx = 1;
inline constexpr u8 rsp = 4;
inline constexpr u8 rsi = 6;
inline constexpr u8 rdi = 7;
} // namespace gpr

/// The bits of a register that `size` bytes cover.
constexpr u64 size_mask(u8 size) { return ~u64{0} >> ((64 - 8u * size) & 63); }

/// The register of that number, as the machine numbers them; not RSP, which the CPU pushed.
inline u64& saved_register(Frame& frame, unsigned number) {
    static_assert(offsetof(Frame, rcx) == 1 * sizeof(u64) && offsetof(Frame, rbx) == 3 * sizeof(u64)
                  && offsetof(Frame, rbp) == 4 * sizeof(u64)
                  && offsetof(Frame, r15) == 14 * sizeof(u64));
    return (&reinterpret_cast<u64&>(frame))[number - (number > gpr::rsp ? 1 : 0)];
}

inline u64& whole_register(Frame& frame, u8 number) {
    return number == gpr::rsp ? frame.rsp : saved_register(frame, number);
}

[[gnu::noinline]] inline u64 read_register(Frame& frame, GeneralRegister reg, u8 size) {
    return (whole_register(frame, reg.number) >> (reg.high_byte ? 8 : 0)) & size_mask(size);
}

/// 8 and 16 bits leave the rest of the register alone, 32 bits clear the upper half.
[[gnu::noinline]] inline void write_register(Frame& frame, GeneralRegister reg, u8 size,
                                             u64 value) {
    u64& whole           = whole_register(frame, reg.number);
    const unsigned shift = reg.high_byte ? 8 : 0;
    const u64 mask       = size_mask(size) << shift;
    whole                = (size >= 4 ? 0 : whole & ~mask) | ((value << shift) & mask);
}

} // namespace vestibule::vc
