// Which code a #VC interrupted: its default sizes, its privilege and where its segment begins. The
// decoder and the policy follow this, never the error code.
#pragma once

#include "vc/frame.h"
#include "vc/instruction.h"
#include "x86/descriptor.h"
#include "x86/types.h"

namespace vestibule::vc {

struct Code {
    CodeSize size = CodeSize::bits64;
    u8 cpl        = 0;
    u64 base      = 0; // of CS; 0 in 64-bit code
    bool known    = false;
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
            .known = true};
}

/// The linear address of offset `rip` in this code.
constexpr u64 linear_rip(const Code& code, u64 rip) {
    return code.size == CodeSize::bits64 ? rip : low_half(code.base + rip);
}

} // namespace vestibule::vc
