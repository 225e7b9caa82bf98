// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where things lie in the machine that QEMU gives the monitor.
//
//   0 .. 4 GiB, and from there on    the shared view of guest memory, identity: devices DMA into it
//   a memory device behind it        the monitor, 64 MiB or more, mapped at monitor_virtual
//   after that                       the private view of guest memory, with the hole below 4 GiB
//   after that                       the guest's files; its firmware stays there
//
// How much is where: sevsim/memory_map.h. The memory device is in no memory map that firmware hands
// on, so a guest does not see it. All of the first 512 GiB is identity-mapped for the monitor.
#pragma once

#include "sevsim/memory_map.h"
#include "x86/types.h"

namespace vestibule::sevsim::layout {

inline constexpr u64 monitor_virtual = 0xFFFF'FFFF'8000'0000;
inline constexpr u64 native_end      = u64{512} << 30; // of what a native guest can reach

// Known once the monitor runs: by start.asm, and by its command line.
inline constinit u64 monitor_physical = 0;
inline constinit u64 monitor_size     = memory_map(0).monitor_size();
inline constinit u64 private_base     = 0;

/// Where the monitor has been started.
inline void found_at(u64 address) { monitor_physical = address; }

/// For a guest of so much memory.
inline void divide(const MemoryMap& map) {
    monitor_size = map.monitor_size();
    private_base = monitor_physical + monitor_size;
}

/// The physical address of an object of the monitor's own.
inline u64 physical(const volatile void* object) {
    return reinterpret_cast<u64>(object) - monitor_virtual + monitor_physical;
}

/// A pointer to physical memory outside the monitor.
template <class T = u8>
T* at_physical(u64 address) {
    return reinterpret_cast<T*>(address);
}

} // namespace vestibule::sevsim::layout
