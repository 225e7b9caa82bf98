// SPDX-License-Identifier: BSD-2-Clause-Patent
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
    kernel::MemoryType type = kernel::MemoryType::reserved; // as kernels are told
};

/// How many ranges `descriptors` of them make at most: an extent cuts one into three.
constexpr u64 most_ranges(u64 descriptors) { return descriptors + u64{2} * InUse::count; }

/// What two extents share; nothing where the end is not above the base.
constexpr Extent common(Extent a, Extent b) {
    return {.base = a.base > b.base ? a.base : b.base, .end = a.end < b.end ? a.end : b.end};
}

EFI_MEMORY_DESCRIPTOR descriptor_at(Bytes map, u64 offset);

/// A descriptor's memory; empty where it would end beyond 2^64, since there is no such memory.
Extent extent_of(const EFI_MEMORY_DESCRIPTOR& descriptor);

/// Whether all of `wanted` is free once boot services have ended, by a map as below.
bool is_free_later(Bytes map, u64 stride, Extent wanted);

/// Writes the ranges of `map`, whose descriptors are `stride` bytes apart, to `ranges`, where there
/// is room for most_ranges() of them. Returns how many there are.
u32 convert_map(Bytes map, u64 stride, const InUse& in_use, MemoryRange* ranges);

} // namespace vestibule::efi
