// General registers of the interrupted code, by number and size (APM volume 1, section 3.1).
#pragma once

#include "vc/frame.h"
#include "vc/instruction.h"
#include "x86/types.h"

namespace vestibule::vc {

/// The bits of a register that `size` bytes cover.
constexpr u64 size_mask(u8 size) { return ~u64{0} >> (64 - 8u * size); }

/// The register of that number, as the machine numbers them.
inline u64& whole_register(Frame& frame, u8 number) {
    static_assert(offsetof(Frame, rcx) == 1 * sizeof(u64) && offsetof(Frame, rbx) == 3 * sizeof(u64)
                  && offsetof(Frame, rbp) == 4 * sizeof(u64)
                  && offsetof(Frame, r15) == 14 * sizeof(u64));
    constexpr u8 rsp = 4; // not among the others: the CPU pushed it
    const u64 slot   = number < rsp ? number : u64{number} - 1;
    return number == rsp ? frame.rsp : (&reinterpret_cast<u64&>(frame))[slot];
}

inline u64 read_register(Frame& frame, GeneralRegister reg, u8 size) {
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
