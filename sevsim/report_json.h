// SPDX-License-Identifier: BSD-2-Clause-Patent
// The report for programs: all that report.h has in words, docs/schemas/run-1.json.
#pragma once

#include "sevsim/expectation.h"
#include "sevsim/options.h"

#include <string>
#include <vector>

namespace vestibule::sevsim {

/// One JSON object and a line's end.
std::string report_json(const RunResult& result, const RunOptions& options,
                        const std::vector<Expectation>& expectations);

/// A line of a batch's output (docs/schemas/planned-run-1.json): which plan it is, and the same
/// report.
std::string planned_run_json(const RunResult& result, const RunOptions& options, u64 index);

} // namespace vestibule::sevsim
