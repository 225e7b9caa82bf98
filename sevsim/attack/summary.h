// SPDX-License-Identifier: BSD-2-Clause-Patent
// Results of shards put together, findings of one cause taken as one, and the report that a person
// reads: kinds of lies by verdicts, and what was found with its replay line.
#pragma once

#include "sevsim/attack/results.h"

namespace vestibule::sevsim::attack {

struct Summary {
    std::vector<Campaign> campaigns; ///< each one that is in it, shards of one once
    u64 runs       = 0;
    double seconds = 0;                                            ///< of all runs together
    std::map<std::string, std::array<u64, verdict_count>> by_kind; ///< a lie's name
    std::array<u64, verdict_count> sums{};
    PlaceSet places;
    std::vector<Finding> findings; ///< each cause once, with the shortest plan
    std::vector<u64> times;        ///< by finding: how many findings had its cause
};

/// Runs that are in several files count once.
Summary summary_of(const std::vector<Results>& all);

/// The text of it.
std::string report_of(const Summary& summary);

} // namespace vestibule::sevsim::attack
