// SPDX-License-Identifier: BSD-2-Clause-Patent
// The entries of the nested page tables: two views, of 512 GiB each, and how to find what they have
// for a guest-physical address (APM volume 2, section 15.25).
#pragma once

#include "x86/page_table.h"

namespace vestibule::sevsim::nested {

inline constexpr u64 table_flags = x86::PageTableEntry::present | x86::PageTableEntry::writable
                                   | x86::PageTableEntry::user | x86::PageTableEntry::accessed;
inline constexpr u64 page_flags = table_flags | x86::PageTableEntry::dirty;

/// Page tables of the page directories, made by make_views().
struct View {
    x86::PageTable* pointers;
};

inline constinit View private_view{};
inline constinit View shared_view{};

void make_views();

x86::PageTable* new_table();

/// The 512 GiB around a guest-physical address, below a table of such regions.
View region_of(x86::PageTable& regions, u64 gpa);

/// The entry for the 2 MiB around a guest-physical address.
x86::PageTableEntry& directory_entry(View view, u64 gpa);

/// The entry for the 4 KiB around it, below a table that is made where there is none.
x86::PageTableEntry& page_entry(View view, u64 gpa);

/// Counts the changes to entries that a TLB may hold.
inline constinit u64 generation = 0;

/// Noise that depends on the seed alone. A multiple of 128 bytes.
void fill_with_noise(void* memory, u64 size, u64 seed);

// Where the noise of each view begins.
inline constexpr u64 private_seed = 0x5052'4956'4154'4500;
inline constexpr u64 shared_seed  = 0x5348'4152'4544'0000;

} // namespace vestibule::sevsim::nested
