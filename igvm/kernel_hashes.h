// QEMU's table of hashes of kernel, initrd and command line, by which a measured firmware knows
// what it may boot (QEMU target/i386/sev.c, sev_add_kernel_loader_hashes).
#pragma once

#include "x86/types.h"

#include <span>
#include <string>
#include <vector>

namespace vestibule::igvm {

struct DirectBoot {
    std::vector<u8> kernel;
    std::vector<u8> initrd; // empty where there is none
    std::string command_line;
};

inline constexpr u64 hash_table_size = 176; // with its padding

/// The table as it is measured.
std::vector<u8> hash_table(const DirectBoot& boot);

} // namespace vestibule::igvm
