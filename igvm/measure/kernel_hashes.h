// SPDX-License-Identifier: BSD-2-Clause-Patent
// QEMU's table of hashes of kernel, initrd and command line, by which a measured firmware knows
// what it may boot (QEMU target/i386/sev.c, sev_add_kernel_loader_hashes).
#pragma once

#include "igvm/measure/digest.h"

namespace vestibule::igvm {

/// What is booted, by the hashes of its files: those are what is measured, and files are large.
struct DirectBoot {
    Digest256 kernel;
    Digest256 initrd; // of no bytes where there is none
    std::string command_line;
    bool hashes_terminator = true; // the command line's zero
};

inline constexpr u64 hash_table_size = 176; // with its padding

/// The table as it is measured.
std::vector<u8> hash_table(const DirectBoot& boot);

} // namespace vestibule::igvm
