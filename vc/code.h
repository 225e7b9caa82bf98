// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which code a #VC interrupted: its default sizes, its privilege and where its segment begins. The
// decoder and the policy follow this, never the error code.
#pragma once

#include "vc/frame.h"
#include "vc/instruction.h"
#include "x86/descriptor.h"
#include "x86/registers.h"
#include "x86/types.h"

namespace vestibule::vc {

struct Code {
    CodeSize size = CodeSize::bits64;
    u8 cpl        = 0;
    u64 base      = 0; // of CS; 0 in 64-bit code
    bool known    = false;
    u32 limit     = 0; // of CS, outside 64-bit code
};

/// The interrupted code by its selector. The common case, 64-bit kernel code, is decided by
/// comparing two selectors; any other is looked up in the descriptor table that it was loaded from.
template <class Cpu>
Code interrupted_code(const Frame& frame, u16 kernel_code64) {
    if (frame.cs == kernel_code64) {
        return {.size = CodeSize::bits64, .cpl = 0, .base = 0, .known = true};
    }
    const auto selector = static_cast<u16>(frame.cs);
    x86::SegmentDescriptor descriptor{};
    if (!Cpu::read_descriptor(selector, descriptor) || !descriptor.is_code()) {
        return {};
    }
    const u8 cpl = selector & 3;
    if (descriptor.is_long()) {
        return {.size = CodeSize::bits64, .cpl = cpl, .base = 0, .known = true};
    }
    return {.size  = descriptor.is_default_32() ? CodeSize::bits32 : CodeSize::bits16,
            .cpl   = cpl,
            .base  = descriptor.base(),
            .known = true,
            .limit = Cpu::serves_kernel ? descriptor.limit() : 0};
}

/// The linear address of offset `rip` in this code.
constexpr u64 linear_rip(const Code& code, u64 rip) {
    return code.size == CodeSize::bits64 ? rip : low_half(code.base + rip);
}

/// Whether IRET may go to offset `rip` of this code. Elsewhere it would fault itself, in the
/// program's entry, where the CPU would have let the instruction complete and faulted at the next
/// (volume 3, IRET; volume 2, section 8.2.14).
template <class Cpu>
bool may_return_to(const Code& code, u64 rip) {
    if (code.size != CodeSize::bits64) {
        return rip <= code.limit;
    }
    const unsigned unsigned_bits = (Cpu::cr4() & x86::cr4::la57) != 0 ? 56 : 47;
    const auto sign              = static_cast<i64>(rip) >> unsigned_bits;
    return sign == 0 || sign == -1;
}

} // namespace vestibule::vc
