// SPDX-License-Identifier: BSD-2-Clause-Patent
// A unified kernel image: a PE file for firmware to start, with a Linux kernel, its initrd and its
// command line in sections (the UAPI group's specification, "Unified Kernel Image"; Microsoft's "PE
// Format"). Its own program is not run: only what it carries counts.
#pragma once

#include "kernel/form.h"

namespace vestibule::kernel {

/// Whether it is a PE file, of whatever kind.
bool is_pe(Bytes file);

/// Parts of the file, none where they are missing.
struct Uki {
    Bytes linux;
    Bytes initrd;
    Bytes command_line; // without blanks and zero bytes at its end
};

/// Reads a file that is_pe(). Of an image with several profiles it is the one that comes first;
/// microcode, device trees and pictures are not for a guest.
Fault read_uki(Bytes file, Uki& uki);

} // namespace vestibule::kernel
