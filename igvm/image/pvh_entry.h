// SPDX-License-Identifier: BSD-2-Clause-Patent
// What stands between the stub and a PVH kernel (boot/pvh/record.h): the code that takes the CPU to
// the mode that the kernel wants, and behind it the start info, made at build time and measured.
#pragma once

#include "igvm/image/guest_layout.h"
#include "kernel/memory_range.h"

namespace vestibule::igvm {

/// The memory that it takes for a map of so many ranges, in whole pages.
u64 pvh_entry_size(std::span<const u8> code, u64 ranges);

/// The bytes for address `gpa`. `command_line` and `rsdp` are addresses, 0 for none.
std::vector<u8> make_pvh_entry(std::span<const u8> code, u64 gpa, u64 entry, u64 command_line,
                               const boot::MemoryRange& initrd, u64 rsdp,
                               std::span<const kernel::MemoryRange> map);

} // namespace vestibule::igvm
