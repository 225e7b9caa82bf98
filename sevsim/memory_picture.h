// SPDX-License-Identifier: BSD-2-Clause-Patent
// The picture of `--rmp`: guest memory at the end of a run, by what the reverse map table says.
#pragma once

#include "sevsim/report.h"

#include <string>

namespace vestibule::sevsim {

/// An SVG picture: a row is 2 MiB, a column the same 4 KiB of each.
std::string memory_picture(const RunResult& result);

} // namespace vestibule::sevsim
