// SPDX-License-Identifier: BSD-2-Clause-Patent
// How further vCPUs of an SEV-ES guest come by the AP jump table (GHCB specification, section 4.3):
// a page of whose first words the kernel makes a far pointer, IP and CS, before it sends INIT and
// SIPI. A vCPU that waits in AP reset hold then goes on there, in real mode. Two flat binaries that
// are placed below 1 MiB, where real mode reaches, by who places a payload, and stay in use:
//   - enter_linux.asm, in front of a Linux or PVH kernel that igvmtool has placed, is such a page,
//     to which it takes the vCPUs from the stub's own waiting place (boot/hand_over/ap.asm);
//   - arrive.asm is where the firmware's table leads to for a payload that BOOTX64.EFI has placed:
//     from real mode to the stub's waiting place.
#pragma once

#include "x86/types.h"

namespace vestibule::boot::jump_table {

/// Of enter_linux.asm, which runs at this address alone: the last page of low memory, where BIOSes
/// have theirs, so that no kernel takes it for free.
inline constexpr u64 page_gpa = 0x9'F000;

/// At the beginning of enter_linux.asm.
struct LinuxRecord {
    u16 ip; // the table
    u16 cs;
    u32 reserved;
    u32 entry; // of the kernel, or of what enters a PVH kernel (boot/pvh),
    u32 zero_page;
    // Then the first vCPU's way in: a payload with boot info.
};

inline constexpr u64 linux_entry = sizeof(LinuxRecord);

static_assert(linux_entry == 16);

/// At the beginning of arrive.asm.
struct ArriveRecord {
    u32 tables; // page tables that map this page and the stub's image to themselves
    u32 entry;  // in 64-bit mode
    // Then the way in, in real mode.
};

inline constexpr u64 arrive_entry = sizeof(ArriveRecord);

static_assert(arrive_entry == 8);

} // namespace vestibule::boot::jump_table
