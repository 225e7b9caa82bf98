// SPDX-License-Identifier: BSD-2-Clause-Patent
// The Linux/x86 boot protocol as far as a loader needs it (Documentation/arch/x86/boot.rst and
// zero-page.rst of Linux): read by the host command, which refuses what is no kernel, and by the
// monitor, which loads it. Freestanding: no library beyond x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim::linux_boot {

/// The setup header, at the same offset in the file and in the boot parameters.
struct [[gnu::packed]] SetupHeader {
    u8 setup_sects; // of 512 bytes, behind the boot sector; 0 stands for 4
    u16 root_flags;
    u32 syssize;
    u16 ram_size;
    u16 vid_mode;
    u16 root_dev;
    u16 boot_flag;
    u8 jump;
    u8 jump_distance; // from behind it to the end of the header
    u32 header;       // header_magic
    u16 version;
    u32 realmode_swtch;
    u16 start_sys_seg;
    u16 kernel_version;
    u8 type_of_loader;
    u8 loadflags;
    u16 setup_move_size;
    u32 code32_start;
    u32 ramdisk_image;
    u32 ramdisk_size;
    u32 bootsect_kludge;
    u16 heap_end_ptr;
    u8 ext_loader_ver;
    u8 ext_loader_type;
    u32 cmd_line_ptr;
    u32 initrd_addr_max; // the last byte of the initrd may lie here
    u32 kernel_alignment;
    u8 relocatable_kernel;
    u8 min_alignment;
    u16 xloadflags;
    u32 cmdline_size; // without the terminating zero
    u32 hardware_subarch;
    u64 hardware_subarch_data;
    u32 payload_offset;
    u32 payload_length;
    u64 setup_data;
    u64 pref_address; // where it wants to be loaded
    u32 init_size;    // the memory it needs from there
    u32 handover_offset;
    u32 kernel_info_offset;
};

inline constexpr u64 header_offset       = 0x1F1;
inline constexpr u64 header_magic_offset = 0x202;
inline constexpr u32 header_magic        = 0x5372'6448; // "HdrS"
inline constexpr u64 sector_size         = 512;

/// The first version with pref_address and init_size: Linux 2.6.31.
inline constexpr u16 oldest_version = 0x020A;

inline constexpr u8 loaded_high      = 1u << 0; // loadflags: a bzImage
inline constexpr u8 undefined_loader = 0xFF;    // type_of_loader

static_assert(header_offset + offsetof(SetupHeader, header) == header_magic_offset);
static_assert(header_offset + offsetof(SetupHeader, type_of_loader) == 0x210);
static_assert(header_offset + offsetof(SetupHeader, cmd_line_ptr) == 0x228);
static_assert(header_offset + offsetof(SetupHeader, cmdline_size) == 0x238);
static_assert(header_offset + offsetof(SetupHeader, pref_address) == 0x258);
static_assert(header_offset + sizeof(SetupHeader) == 0x26C);

struct [[gnu::packed]] E820Entry {
    u64 address;
    u64 size;
    u32 type;

    static constexpr u32 usable   = 1;
    static constexpr u32 reserved = 2;
    static constexpr u32 acpi     = 3; // tables, free once they have been read
};

/// The boot parameters ("zero page"), as far as they are filled in here.
struct [[gnu::packed]] BootParameters {
    u8 before_acpi_rsdp_addr[0x70];
    u64 acpi_rsdp_addr;
    u8 before_e820_entries[0x1E8 - 0x78];
    u8 e820_entries;
    u8 before_header[header_offset - 0x1E9];
    SetupHeader header;
    u8 before_e820_table[0x2D0 - header_offset - sizeof(SetupHeader)];
    E820Entry e820_table[128];
    u8 rest[page_size - 0x2D0 - 128 * sizeof(E820Entry)];
};

static_assert(offsetof(BootParameters, acpi_rsdp_addr) == 0x70);
static_assert(offsetof(BootParameters, e820_entries) == 0x1E8);
static_assert(offsetof(BootParameters, header) == header_offset);
static_assert(offsetof(BootParameters, e820_table) == 0x2D0);
static_assert(sizeof(BootParameters) == page_size);

// The 32-bit entry (boot.rst, "32-bit Boot Protocol"): flat segments with these selectors.
inline constexpr u16 boot_cs = 0x10;
inline constexpr u16 boot_ds = 0x18;

} // namespace vestibule::sevsim::linux_boot
