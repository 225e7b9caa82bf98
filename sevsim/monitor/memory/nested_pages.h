// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the pages of guest memory show through each view of the nested tables (nested_tables.h).
#pragma once

#include "sevsim/memory_map.h"
#include "x86/types.h"

namespace vestibule::sevsim::nested {

/// The hole for legacy video memory is a device, not memory.
inline constexpr u64 video_begin = 0xA'0000;
inline constexpr u64 video_end   = 0xC'0000;

/// To be called first, once the size of guest memory is known.
void make_page_sets(const MemoryMap& map);

/// Makes the page at `gpa` there in the private view; what it holds, where `write` is not set, may
/// stand in the other view.
void map_private(u64 gpa, bool write);

/// Makes the page at `gpa` there in the shared view, as data: instructions are never fetched from
/// shared memory. What it holds is what a device may have written there already.
void map_shared(u64 gpa, bool write);

/// Where the 2 MiB around `page` are one large page of the private view, makes 512 of it.
void split_private_block(u64 page);

/// A walk or a fetch through a mapping without the C-bit: the CPU treats both as private, so this
/// page of the shared view shows the private one, until drop_aliases().
/// Limit: until then it shows no shared data, also where none of the guest's tables names it any
/// more.
void alias_private(u64 gpa);

/// Has those pages show shared data again, to which a table of the early boot may have turned; a
/// walk that still needs one faults anew. To be called where the guest has other tables.
void drop_aliases();

/// From here on the page of the shared view is a device's, as the guest sees it.
void take_shared(u64 gpa);

/// True where it is.
bool is_taken(u64 gpa);

/// How many pages have been mapped by map_shared().
u64 shared_pages();

} // namespace vestibule::sevsim::nested
