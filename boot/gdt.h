// SPDX-License-Identifier: BSD-2-Clause-Patent
// The stub's segments. igvmtool starts the vCPU with these selectors already loaded
// (igvm/image/initial_state.h), so the table only has to be there when an interrupt returns, and
// where code of one width calls code of another.
#pragma once

#include "x86/descriptor.h"
#include "x86/types.h"

namespace vestibule::boot {

extern "C" { // 32-bit assembly finds it by name (linker/stub.ld)
inline constexpr x86::SegmentDescriptor stub_gdt[] = {
    x86::null_segment,
    x86::code64_segment,
    x86::data_segment,
    x86::code32_segment,
};
}

inline constexpr u16 code64_selector = 1 * sizeof(x86::SegmentDescriptor);
inline constexpr u16 data_selector   = 2 * sizeof(x86::SegmentDescriptor);
inline constexpr u16 code32_selector = 3 * sizeof(x86::SegmentDescriptor);

} // namespace vestibule::boot
