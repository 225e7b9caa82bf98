// The stub's segments. igvmtool starts the vCPU with these selectors already loaded (igvm/build.h),
// so the table only has to be there when an interrupt returns.
#pragma once

#include "x86/descriptor.h"
#include "x86/types.h"

namespace vestibule::boot {

inline constexpr x86::SegmentDescriptor gdt[] = {
    x86::null_segment,
    x86::code64_segment,
    x86::data_segment,
};

inline constexpr u16 code64_selector = 1 * sizeof(x86::SegmentDescriptor);
inline constexpr u16 data_selector   = 2 * sizeof(x86::SegmentDescriptor);

} // namespace vestibule::boot
