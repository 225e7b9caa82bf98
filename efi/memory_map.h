// EFI's memory map as kernels want it: what is RAM to who has ended boot services, ascending,
// neighbours of one kind together. Calls nobody, so that it can run when there is nobody left to be
// called, and in unit tests.
#pragma once

#include "efi/pages.h"
#include "efi/text.h"
#include "kernel/memory_range.h"

namespace vestibule::efi {

using kernel::MemoryRange;

/// Memory that is in use behind the kernel's back, whatever EFI calls it.
struct InUse {
    static constexpr u32 count = 3;

    Extent extents[count];
};

/// How many ranges `descriptors` of them make at most: an extent cuts one into three.
constexpr u64 most_ranges(u64 descriptors) { return descriptors + u64{2} * InUse::count; }

/// Writes the ranges of `map`, whose descriptors are `stride` bytes apart, to `ranges`, where there
/// is room for most_ranges() of them. Returns how many there are.
u32 convert_map(Bytes map, u64 stride, const InUse& in_use, MemoryRange* ranges);

} // namespace vestibule::efi
