// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the secure processor of an SEV-SNP machine has of its own, and what it knows of the guest's
// launch: made here, where there are libraries for it, and handed to the monitor (launch_module.h).
#pragma once

#include "sevsim/guest_file.h"
#include "sevsim/launch_module.h"
#include "sevsim/options.h"

#include <expected>
#include <string>
#include <vector>

namespace vestibule::sevsim {

/// The module for a guest, whose file is the first of those; an error says why the firmware would
/// refuse the launch.
std::expected<std::vector<u8>, std::string> launch_module(const RunOptions& options,
                                                          const std::vector<OpenedFile>& files);

/// The launch digest in a module, as hexadecimal digits.
std::string launch_digest(const std::vector<u8>& module);

} // namespace vestibule::sevsim
