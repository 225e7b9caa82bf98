// SPDX-License-Identifier: BSD-2-Clause-Patent
// The monitor's own page tables: all memory and devices at their own addresses, and the monitor in
// the last 2 GiB.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// Leaves the page tables of start.asm, which lie in low memory, which is to be the guest's.
void map_own_memory();

/// Loads them on one more processor.
void load_own_tables();

/// True where QEMU's processor pages in five levels, which the monitor then does too. Nested paging
/// has as many levels as its host's.
bool has_five_levels();

/// How far the monitor's memory reaches, from 4 GiB on. QEMU gives PCI devices room behind it, and
/// tells so in ACPI's tables.
void set_hidden_end(u64 end);

/// True where the monitor's memory, which is nobody's device, hides what could be there.
bool is_hidden(u64 gpa);

/// A device's register at a guest-physical address, wherever the guest has put the device. nullptr
/// where it is hidden, or no address can be.
u8* device_register(u64 gpa);

} // namespace vestibule::sevsim
