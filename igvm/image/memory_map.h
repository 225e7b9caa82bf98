// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a guest is told of its memory, measured: RAM, and what of it stays in use behind the
// payload's back.
#pragma once

#include "boot/hand_over/header.h"
#include "kernel/memory_range.h"

#include <span>
#include <vector>

namespace vestibule::igvm {

/// Ascending, apart. `ram` and `in_use` ascend too, and what is in use lies within RAM or apart.
std::vector<kernel::MemoryRange> memory_map(std::span<const boot::MemoryRange> ram,
                                            std::span<const kernel::MemoryRange> in_use);

} // namespace vestibule::igvm
