// What a guest is told of its memory, measured: RAM, the hole of a PC below 1 MiB, and what stays
// in use behind the payload's back.
#pragma once

#include "kernel/memory_range.h"

#include <span>
#include <vector>

namespace vestibule::igvm {

/// Of a guest with memory up to `memory`; `in_use` ascends. Ascending, apart.
std::vector<kernel::MemoryRange> memory_map(u64 memory,
                                            std::span<const kernel::MemoryRange> in_use);

} // namespace vestibule::igvm
