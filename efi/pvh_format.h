// What a PVH kernel gets: the start info and what it points to (Xen's
// xen/include/public/arch-x86/hvm/start_info.h, version 1). Addresses are physical.
#pragma once

#include "x86/types.h"

namespace vestibule::efi::pvh {

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

/// ACPI's address range types (ACPI specification 6.5, table 15.2).
enum class MemoryType : u32 {
    ram        = 1,
    reserved   = 2,
    acpi       = 3, // RAM to who has read the tables in it
    nvs        = 4,
    unusable   = 5,
    persistent = 7,
};

struct MemoryRange {
    u64 base;
    u64 size;
    MemoryType type;
    u32 reserved;
};

static_assert(sizeof(StartInfo) == 56);
static_assert(sizeof(Module) == 32);
static_assert(sizeof(MemoryRange) == 24);

} // namespace vestibule::efi::pvh
