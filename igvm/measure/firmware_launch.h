// SPDX-License-Identifier: BSD-2-Clause-Patent
// The launch of a firmware volume from the reset vector: the volume, what its SEV metadata asks
// for, then the vCPUs.
#pragma once

#include "igvm/measure/firmware.h"
#include "igvm/measure/kernel_hashes.h"
#include "igvm/measure/launch.h"

namespace vestibule::igvm {

struct FirmwareLaunchOptions {
    LaunchOptions launch;
    std::optional<std::vector<u8>> hash_table; // of a kernel that is booted directly
    bool without_volume = false; // on SNP: what follows the volume's pages, whose digest is known
};

/// The launch, or why there is none, in words.
std::expected<Launch, std::string> launch_of(const Firmware& firmware,
                                             const FirmwareLaunchOptions& options);

} // namespace vestibule::igvm
