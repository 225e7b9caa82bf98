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

/// A device's register at a guest-physical address, wherever the guest has put the device. nullptr
/// where the monitor's memory, which is nobody's device, hides it, or no address can be.
u8* device_register(u64 gpa);

} // namespace vestibule::sevsim
