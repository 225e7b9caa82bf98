// SPDX-License-Identifier: BSD-2-Clause-Patent
// Memory as ACPI's address range types tell it (ACPI specification 6.5, table 15.2): Linux's E820
// map and PVH's memory map both use these numbers.
#pragma once

#include "x86/types.h"

namespace vestibule::kernel {

enum class MemoryType : u32 {
    ram        = 1,
    reserved   = 2,
    acpi       = 3, // RAM to who has read the tables in it
    nvs        = 4,
    unusable   = 5,
    persistent = 7,
};

/// As PVH's memory map has it.
struct MemoryRange {
    u64 base;
    u64 size;
    MemoryType type;
    u32 reserved;
};

static_assert(sizeof(MemoryRange) == 24);

/// Where the low memory of a PC ends, and where it goes on.
inline constexpr u64 low_memory_end    = 0xA'0000;
inline constexpr u64 high_memory_start = 0x10'0000;

} // namespace vestibule::kernel
