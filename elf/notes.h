// SPDX-License-Identifier: BSD-2-Clause-Patent
// The note by which an ELF64 says that it is a PVH kernel (Xen's docs/misc/pvh.pandoc): where it
// wants to be entered in 32-bit protected mode.
#pragma once

#include "elf/image.h"

namespace vestibule::elf {

struct PvhNote {
    bool is_there = false;
    u64 entry     = 0; // physical, as linked
};

/// Looks through the notes of a file that read_image has taken. Notes that do not fit into their
/// segment are refused, since what they hide may be the way in that the kernel wants; so is a
/// second PVH note, and one whose entry point is not in the file's part of an executable segment.
Fault read_pvh_note(Bytes file, const Image& image, PvhNote& pvh);

} // namespace vestibule::elf
