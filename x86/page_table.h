// SPDX-License-Identifier: BSD-2-Clause-Patent
// Long-mode page-table entries (APM volume 2, section 5.3) and where the C-bit stands in them
// (section 15.34.1).
#pragma once

#include "x86/types.h"

namespace vestibule::x86 {

struct PageTableEntry {
    u64 value;

    static constexpr u64 present        = bit(0);
    static constexpr u64 writable       = bit(1);
    static constexpr u64 user           = bit(2);
    static constexpr u64 accessed       = bit(5);
    static constexpr u64 dirty          = bit(6);
    static constexpr u64 large          = bit(7);  // 2 MiB in a page directory, 1 GiB one level up
    static constexpr u64 pat            = bit(12); // of a large page
    static constexpr unsigned key_shift = 59;      // of the protection key, [62:59]
    static constexpr u64 no_execute     = bit(63);
    /// Physical address bits of a 4 KiB page or table; the C-bit, where there is one, is among
    /// them.
    static constexpr u64 address_mask = 0x000F'FFFF'FFFF'F000;

    constexpr bool is_present() const { return (value & present) != 0; }

    constexpr bool is_large() const { return (value & large) != 0; }

    constexpr u64 address(u64 c_bit) const { return value & address_mask & ~c_bit; }
};

static_assert(sizeof(PageTableEntry) == 8);

struct alignas(page_size) PageTable {
    PageTableEntry entry[512];
};

static_assert(sizeof(PageTable) == page_size);

/// Index into the table of `level` (1 = page table, 4 = PML4) for a linear address.
constexpr unsigned table_index(u64 linear, unsigned level) {
    return static_cast<unsigned>(linear >> (12 + 9 * (level - 1))) & 511;
}

inline constexpr u64 large_page_size = u64{2} << 20;

/// C-bit positions of shipped CPUs: 47 (Naples, Rome), 51 (Milan and later). A guest maps only
/// positions above any address that it uses as memory.
constexpr bool is_plausible_c_bit(unsigned position) { return position >= 32 && position < 52; }

} // namespace vestibule::x86
