// SPDX-License-Identifier: BSD-2-Clause-Patent
// The stub's own page tables: the first 4 GiB identity-mapped, private, the image's pages with no
// more rights than they need.
#pragma once

#include "x86/types.h"

namespace vestibule::boot {

/// Builds the tables with `c_bit` (0 on a native machine) in every entry, and loads them.
void load_page_tables(u64 c_bit);

/// Takes the C-bit from one page of the image, whose address is page-aligned. Its contents are
/// undefined afterwards.
void share_page(void* page, u64 c_bit);

} // namespace vestibule::boot
