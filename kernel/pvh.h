// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a PVH kernel gets: the start info and what it points to (Xen's
// xen/include/public/arch-x86/hvm/start_info.h, version 1). Addresses are physical.
#pragma once

#include "kernel/memory_range.h"

namespace vestibule::kernel {

struct StartInfo {
    static constexpr u32 magic_value     = 0x336E'C578;
    static constexpr u32 current_version = 1;

    u32 magic;
    u32 version;
    u32 flags; // of Xen's privileged domains: none
    u32 module_count;
    u64 modules;      // Module, 0 where there are none
    u64 command_line; // ends with a zero byte
    u64 rsdp;         // 0 where there is none
    u64 memory_map;   // MemoryRange
    u32 memory_map_count;
    u32 reserved;
};

/// The initrd is the first module.
struct Module {
    u64 base;
    u64 size;
    u64 command_line; // 0: none of its own
    u64 reserved;
};

static_assert(sizeof(StartInfo) == 56);
static_assert(sizeof(Module) == 32);

/// What is told beside the memory map, as it lies in memory.
struct PvhTold {
    StartInfo start_info;
    Module initrd;
};

/// The rest of what is told, at address `at`.
constexpr PvhTold tell_pvh(u64 at, u64 initrd, u64 initrd_size, u64 command_line, u64 rsdp,
                           u64 memory_map, u32 memory_map_count) {
    const bool any = initrd_size != 0;
    return {
        .start_info = {.magic            = StartInfo::magic_value,
                       .version          = StartInfo::current_version,
                       .flags            = 0,
                       .module_count     = any ? 1u : 0u,
                       .modules          = any ? at + __builtin_offsetof(PvhTold, initrd) : 0,
                       .command_line     = command_line,
                       .rsdp             = rsdp,
                       .memory_map       = memory_map,
                       .memory_map_count = memory_map_count,
                       .reserved         = 0},
        .initrd     = {.base = initrd, .size = initrd_size, .command_line = 0, .reserved = 0}
    };
}

} // namespace vestibule::kernel
