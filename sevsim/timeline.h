// SPDX-License-Identifier: BSD-2-Clause-Patent
// `sevsim run --timeline OUT.svg`: a picture of a run, VMGEXITs over time by kind.
#pragma once

#include "sevsim/report.h"

#include <string>

namespace vestibule::sevsim {

/// An SVG document.
std::string timeline(const RunResult& result);

} // namespace vestibule::sevsim
