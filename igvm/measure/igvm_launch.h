// SPDX-License-Identifier: BSD-2-Clause-Patent
// The launch of an IGVM file: its directives for one platform in the order in which a monitor acts
// on them, then its vCPUs.
#pragma once

#include "igvm/format/reader.h"
#include "igvm/measure/launch.h"

namespace vestibule::igvm {

/// The launch, or why there is none, in words. The table is that of a kernel's hashes, where the
/// monitor puts one into the guest.
std::expected<Launch, std::string> launch_of(const File& file, const LaunchOptions& options,
                                             std::span<const u8> hash_table = {});

/// The strongest platform of a file that measures; NATIVE where none does.
PlatformType strongest_platform(const File& file);

} // namespace vestibule::igvm
