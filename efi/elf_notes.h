// The note by which an ELF64 says that it is a PVH kernel (Xen's docs/misc/pvh.pandoc): where it
// wants to be entered in 32-bit protected mode.
#pragma once

#include "efi/elf_format.h"
#include "efi/problem.h"

namespace vestibule::efi {

struct PvhNote {
    bool is_there = false;
    u64 entry     = 0; // physical, as linked
};

/// Looks through a PT_NOTE of the file, whose extent is unchecked so far. Notes that do not fit
/// into it are refused, since what they hide may be the way in that the kernel wants; so is a
/// second PVH note.
Problem read_notes(Bytes file, const elf::ProgramHeader& segment, PvhNote& pvh);

} // namespace vestibule::efi
