// SPDX-License-Identifier: BSD-2-Clause-Patent
// The page tables that a vCPU enters 64-bit code on: one page, made by igvmtool where the image is
// entered with paging on, and by the stub where it is entered without (boot/legacy). Everyone finds
// the C-bit in them (boot/c_bit.h).
//
// Measuring a page at launch costs about a millisecond, so one page is PML4, PDPT and page
// directory at once. A walk for an address in base's 2 MiB takes, with k and j the address's
// indexes into PDPT and page directory (its PML4 index is 0, as everywhere below 512 GiB):
//
//     CR3 -> this page as PML4, entry[0] -> this page
//            this page as PDPT, entry[k] -> this page
//            this page as page directory, entry[j] -> the 2 MiB page at base
//
// Hence three entries, or two where k is 0: entry[0] and entry[k] point to the page itself and
// entry[j] is the large page. They collide where j is 0 or k, which is_loadable_base() refuses: the
// entry would have to be table and page at once.
//
// The same three entries read at another level also map a few addresses that nobody asked for (the
// page itself appears at k GiB, for one), all of them to within the image's 2 MiB; entry[j] as a
// 1 GiB page is no mapping at all, since its address is not on a GiB and so has reserved bits set.
// The stub replaces all this by tables of its own before it calls anything.
//
// Every entry carries the C-bit, since the stub's memory is private. CR3 does not need it: a guest
// always walks its tables as private memory. Accessed and dirty bits are set so that the walk
// writes nothing into a page that has been measured.
#pragma once

#include "x86/page_table.h"

namespace vestibule::boot {

/// Whether an image may lie at `base`: a 2 MiB boundary from 2 MiB to below 4 GiB at which the
/// initial page table's three entries do not meet.
constexpr bool is_loadable_base(u64 base) {
    if (base % x86::large_page_size != 0 || base < x86::large_page_size || base >= u64{1} << 32) {
        return false;
    }
    const unsigned directory = x86::table_index(base, 2);
    return directory != 0 && directory != x86::table_index(base, 3);
}

/// Of the entries that point to the page itself.
inline constexpr u64 image_table_flags =
    x86::PageTableEntry::present | x86::PageTableEntry::writable | x86::PageTableEntry::accessed;

/// Maps the 2 MiB at `base` to themselves, and no address to anywhere else. `page` is zero so far
/// and lies at `base`. `c_bit` is the C-bit as a mask, 0 on a platform without memory encryption.
constexpr void map_image(x86::PageTable& page, u64 base, u64 c_bit) {
    using x86::PageTableEntry;
    constexpr u64 used                          = image_table_flags;
    page.entry[0].value                         = base | c_bit | used;
    page.entry[x86::table_index(base, 3)].value = base | c_bit | used;
    page.entry[x86::table_index(base, 2)].value =
        base | c_bit | used | PageTableEntry::dirty | PageTableEntry::large;
}

} // namespace vestibule::boot
