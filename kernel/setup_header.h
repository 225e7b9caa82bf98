// SPDX-License-Identifier: BSD-2-Clause-Patent
// struct setup_header (Linux arch/x86/include/uapi/asm/bootparam.h) by offset, in a bzImage and in
// the zero page alike.
#pragma once

#include "x86/types.h"

namespace vestibule::kernel::setup {

inline constexpr u64 start              = 0x1F1;
inline constexpr u64 sectors            = 0x1F1; // u8, of real-mode code behind the first; 0: 4
inline constexpr u64 boot_flag          = 0x1FE; // u16
inline constexpr u64 jump_length        = 0x201; // u8: the header ends that far behind 0x202
inline constexpr u64 magic              = 0x202; // "HdrS"
inline constexpr u64 version            = 0x206; // u16
inline constexpr u64 type_of_loader     = 0x210; // u8
inline constexpr u64 load_flags         = 0x211; // u8
inline constexpr u64 ramdisk_image      = 0x218; // u32
inline constexpr u64 ramdisk_size       = 0x21C; // u32
inline constexpr u64 cmd_line_ptr       = 0x228; // u32
inline constexpr u64 initrd_max         = 0x22C; // u32
inline constexpr u64 kernel_alignment   = 0x230; // u32
inline constexpr u64 relocatable_kernel = 0x234; // u8
inline constexpr u64 xloadflags         = 0x236; // u16
inline constexpr u64 cmdline_size       = 0x238; // u32
inline constexpr u64 setup_data         = 0x250; // u64
inline constexpr u64 pref_address       = 0x258; // u64
inline constexpr u64 init_size          = 0x260; // u32
inline constexpr u64 least_end          = 0x264;
inline constexpr u64 most_end           = 0x290;

inline constexpr u16 boot_flag_value = 0xAA55;
inline constexpr u32 magic_value     = 0x5372'6448;
inline constexpr u16 least_version   = 0x020C; // with xloadflags
inline constexpr u8 loaded_high      = 1;
inline constexpr u16 xlf_kernel_64   = 1;
inline constexpr u16 xlf_above_4g    = 2;
inline constexpr u8 undefined_loader = 0xFF;
inline constexpr u64 sector          = 512;
inline constexpr u32 highest_initrd  = 0x7FFF'FFFF; // without a header of its own

} // namespace vestibule::kernel::setup
