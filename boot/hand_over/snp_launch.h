// SPDX-License-Identifier: BSD-2-Clause-Patent
// What igvmtool tells an SEV-SNP guest of its own launch: a record in the pages that only its files
// have (linker/stub.ld), measured with them. Without it nobody inside would know which pages the
// launch has validated, and validating one of them again is what an attacker wants.
#pragma once

#include "boot/hand_over/header.h"

namespace vestibule::boot {

struct SnpLaunch {
    static constexpr u32 current_version = 3;
    static constexpr u32 most            = 31;

    u32 version; // in the image as it is linked
    u32 loaded_count;
    u32 accepted_count;
    u32 image_pages; // from the image's first on, with what igvmtool has placed behind it
    /// Loaded pages outside of the stub's 2 MiB, ascending. In an image that firmware has started
    /// there are none: its map says what it has accepted.
    MemoryRange loaded[most];
    /// What is to be accepted before the payload is entered, ascending; some of it is loaded.
    MemoryRange accepted[most];
    /// Small pages from here on are assigned to the guest before it starts: an IGVM file's required
    /// memory is, and what a flash image brings no memory for is not.
    u64 assigned_from;
    u64 reserved1;
};

static_assert(sizeof(SnpLaunch) == 1024);

} // namespace vestibule::boot
