// SPDX-License-Identifier: BSD-2-Clause-Patent
// What of an IGVM file, whoever made it, a flash image cannot have (docs/flash.md).
#pragma once

#include "igvm/format/reader.h"

#include <string>
#include <vector>

namespace vestibule::igvm {

/// Each in words, with the reason. How its vCPUs start counts where igvmtool has not made the file:
/// the stub is entered by a flash image as by any other way.
std::vector<std::string> flash_limits(const File& file, bool is_own);

} // namespace vestibule::igvm
