// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where things lie in the machine that QEMU gives the monitor.
//
//   0 .. memory                  the shared view of guest memory, identity: devices DMA into it
//   4 GiB (a memory device)      the monitor, 64 MiB, mapped at monitor_virtual
//   4 GiB + 64 MiB .. + memory   the private view of guest memory
//   after that                   the guest's files; its firmware stays there
//
// The memory device is in no memory map that firmware hands on, so a guest does not see it. All of
// the first 512 GiB is identity-mapped for the monitor.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim::layout {

inline constexpr u64 monitor_virtual  = 0xFFFF'FFFF'8000'0000;
inline constexpr u64 monitor_physical = u64{4} << 30;
inline constexpr u64 monitor_size     = u64{64} << 20;
inline constexpr u64 private_base     = monitor_physical + monitor_size;
inline constexpr u64 native_end       = u64{512} << 30; // of what a native guest can reach

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
