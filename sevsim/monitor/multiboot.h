// SPDX-License-Identifier: BSD-2-Clause-Patent
// The part of the multiboot information that the monitor uses (multiboot specification 0.6.96,
// section 3.3).
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

struct MultibootInformation {
    u32 flags;
    u32 mem_lower;
    u32 mem_upper;
    u32 boot_device;
    u32 command_line; // physical address of a zero-terminated string
    u32 module_count;
    u32 modules; // physical address of an array of MultibootModule
    u32 symbols[4];
    u32 memory_map_size; // in bytes
    u32 memory_map;      // physical address of the first MultibootMemory

    static constexpr u32 has_command_line = 1u << 2;
    static constexpr u32 has_modules      = 1u << 3;
    static constexpr u32 has_memory_map   = 1u << 6;
};

struct MultibootModule {
    u32 begin;
    u32 end;
    u32 string;
    u32 reserved;
};

/// One range of the firmware's memory map (E820). The next one lies `size` bytes behind `address`.
struct [[gnu::packed]] MultibootMemory {
    u32 size;
    u64 address;
    u64 length;
    u32 type; // 1: usable

    static constexpr u32 usable   = 1;
    static constexpr u32 reserved = 2;
};

} // namespace vestibule::sevsim
