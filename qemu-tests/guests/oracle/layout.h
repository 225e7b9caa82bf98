// SPDX-License-Identifier: BSD-2-Clause-Patent
// The snippets' world: where their code and memory lie and which segments there are. The assembler
// has the same names (asm_constants.cpp).
#pragma once

#include "x86/types.h"

namespace vestibule::oracle {

/// 2 MiB of linear addresses below 4 GiB, most of them not mapped.
inline constexpr u64 arena      = 0x6000'0000;
inline constexpr u64 code_page  = arena; // executable, user, not writable; a hole behind it
inline constexpr u64 data       = arena + 0x2000;   // two pages, user, writable; a hole behind them
inline constexpr u64 read_only  = arena + 0x5000;   // user
inline constexpr u64 supervisor = arena + 0x6000;   // writable at CPL 0
inline constexpr u64 segment16  = arena + 0x2'0000; // 64 KiB; mapped are the first and last page

/// A piece of pc-testdev's memory, which keeps what is written, as memory does.
inline constexpr u64 device_size      = 256;
inline constexpr u64 device_gpa       = 0xFF00'0F80; // half of it in this page, half in the next
inline constexpr u64 device           = arena + 0x8F80;
inline constexpr u64 device_read_only = arena + 0xBF80; // the first half once more

/// The arena once more, there.
inline constexpr u64 upper_arena_offset = 0xFFFF'FFFF'8000'0000;

/// Where 32-bit addresses begin and end: two pages, writable at CPL 0.
inline constexpr u64 first_page = 0;
inline constexpr u64 last_page  = 0xFFFF'F000;

/// Ports: four bytes of storage, a port that keeps every byte in a file, one that reads a text.
inline constexpr u16 port_storage  = 0xE0;
inline constexpr u16 port_recorder = 0x5E0;
inline constexpr u16 port_text     = 0x511;

/// Selectors. The first four descriptors are the stub's.
namespace selector {
inline constexpr u16 kernel_code64       = 0x08;
inline constexpr u16 kernel_data         = 0x10;
inline constexpr u16 kernel_code32       = 0x18;
inline constexpr u16 kernel_code16       = 0x20; // base: the arena
inline constexpr u16 kernel_code32_based = 0x28; // the same
inline constexpr u16 user_code64         = 0x33;
inline constexpr u16 user_data           = 0x3B;
inline constexpr u16 user_code32         = 0x43;
inline constexpr u16 user_code16         = 0x4B; // base: the arena
inline constexpr u16 data16              = 0x53; // base: segment16, limit 0xFFFF
inline constexpr u16 data_based          = 0x5B; // base: the second page of data
inline constexpr u16 data_device         = 0x63; // base: the device
inline constexpr u16 kernel_stack16      = 0x68; // as data16, for SS
inline constexpr u16 task                = 0x70;
inline constexpr u16 end                 = 0x80;
} // namespace selector

} // namespace vestibule::oracle
