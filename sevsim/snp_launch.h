// What the secure processor of an SEV-SNP machine has of its own, and what it is told of the guest's
// file: made here, where there is a library for it, and handed to the monitor (launch_module.h).
#pragma once

#include "sevsim/guest_file.h"
#include "sevsim/launch_module.h"
#include "sevsim/options.h"

#include <expected>
#include <string>

namespace vestibule::sevsim {

/// For the guest whose opened file this is; an error says what it lacks.
std::expected<LaunchModule, std::string> launch_module(const RunOptions& options,
                                                       const OpenedFile& guest);

} // namespace vestibule::sevsim
