// SPDX-License-Identifier: BSD-2-Clause-Patent
// What code that enters a PVH kernel (boot/pvh/enter.asm) is told by who places it. It is a flat
// binary that runs at any page below 4 GiB, and to the stub a payload like others: entered at its
// first byte with boot info, on memory that can be read, written and executed. It stays in use
// until the kernel has an IDT and a GDT of its own, so whoever makes the kernel's memory map keeps
// it out of what is free.
#pragma once

#include "x86/types.h"

namespace vestibule::boot::pvh {

/// At the binary's beginning.
struct Record {
    u8 jump[8];     // the entry
    u32 entry;      // of the kernel,
    u32 start_info; // and what it gets in EBX
};

static_assert(sizeof(Record) == 16);

} // namespace vestibule::boot::pvh
