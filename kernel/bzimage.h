// SPDX-License-Identifier: BSD-2-Clause-Patent
// A Linux bzImage as a loader sees it (Linux Documentation/arch/x86/boot.rst): what its setup
// header says of where the kernel, its initrd and its command line may lie.
#pragma once

#include "kernel/form.h"

namespace vestibule::kernel {

struct LinuxKernel {
    static constexpr u64 most_header = 0x290 - 0x1F1; // the zero page's room for it

    u8 header[most_header]; // from offset 0x1F1 to its end, as the kernel's file has it
    u64 header_size;
    u64 initrd_limit;       // an initrd's last byte lies at most here
    u64 command_line_limit; // characters, without the zero byte
    // Of a bzImage alone:
    u64 offset; // of the protected-mode kernel in the file
    u64 preferred_address;
    u64 alignment;   // of any other address; 0: there is no other
    u64 memory_size; // that it needs there
};

/// The 64-bit entry point, from the start of the protected-mode kernel.
inline constexpr u64 entry64_offset = 0x200;

bool is_bzimage(Bytes file);

/// Reads the header of a file that is_bzimage().
Fault read_bzimage(Bytes file, LinuxKernel& kernel);

/// What a kernel is taken for that comes as an ELF64, without a setup header: the least that one
/// has which is entered by the 64-bit protocol.
LinuxKernel kernel_without_header();

} // namespace vestibule::kernel
