// SPDX-License-Identifier: BSD-2-Clause-Patent
// A unified kernel image: a PE file for firmware to start, with a Linux kernel, its initrd and its
// command line in sections (the UAPI group's specification, "Unified Kernel Image"; Microsoft's "PE
// Format"). Its own program is not run: only what it carries counts.
#pragma once

#include "kernel/form.h"

namespace vestibule::kernel {

/// Whether it is a PE file, of whatever kind.
bool is_pe(Bytes file);

/// Where the data of a PE file's sections are: at their offsets in the file, or at their addresses
/// in the memory into which firmware has loaded it.
enum class Sections : u8 { in_file, in_memory };

/// Parts of the file, none where they are missing.
struct Uki {
    Bytes linux;
    Bytes initrd;
    Bytes command_line; // without blanks and zero bytes at its end
};

/// Reads a file that is_pe(). Of an image with several profiles it is the one that comes first;
/// microcode, device trees and pictures are not for a guest.
Fault read_uki(Bytes file, Uki& uki, Sections where = Sections::in_file);

/// What a section of a file that is_pe() holds, the first of that name; none where there is none,
/// or where it does not lie within the file.
Bytes section_of(Bytes file, elf::Phrase name, Sections where);

} // namespace vestibule::kernel
