// SPDX-License-Identifier: BSD-2-Clause-Patent
// A finding's plan made small: the fewest lies, and of each the simplest parameters, that still
// come to the same. Delta debugging (Zeller and Hildebrandt, 2002) for plans, which are short: each
// lie is left out in turn, then each parameter is made simpler.
#pragma once

#include "sevsim/attack/plans.h"

#include <functional>

namespace vestibule::sevsim::attack {

/// Whether a plan still comes to the finding. It costs a run.
using StillFound = std::function<bool(const Lies& plan)>;

/// `plan` reduced with at most `most` runs. What comes back was seen to come to the finding, or is
/// `plan` itself.
Lies minimised(Lies plan, const StillFound& still_found, unsigned most);

/// Simpler forms of a lie, the simplest first; each differs from it in one parameter.
std::vector<Hostility> simpler(const Hostility& lie);

} // namespace vestibule::sevsim::attack
