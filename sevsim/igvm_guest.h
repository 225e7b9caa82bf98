// SPDX-License-Identifier: BSD-2-Clause-Patent
// An IGVM file judged before QEMU starts: by the format's rules in igvmtool's own words, and by
// what this machine is to be. What the file says of the machine, the machine is.
#pragma once

#include "sevsim/options.h"

#include <expected>
#include <string>

namespace vestibule::sevsim {

/// The options with the C-bit and the vCPUs of the file where none were given; an error in words,
/// the file's name first, where the file is no guest for such a machine.
std::expected<RunOptions, std::string> options_for_igvm(const RunOptions& options);

} // namespace vestibule::sevsim
