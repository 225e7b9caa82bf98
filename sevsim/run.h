// SPDX-License-Identifier: BSD-2-Clause-Patent
// One run of a guest, from its file to what there is to report.
#pragma once

#include "sevsim/options.h"
#include "sevsim/report.h"

#include <expected>
#include <span>
#include <string>

namespace vestibule::sevsim {

/// Runs the guest under `monitor`; its serial output goes to asked.output, complaints about the
/// monitor's records to standard error. An error if it could not be started.
std::expected<RunResult, std::string> run_guest(const RunOptions& asked,
                                                std::span<const unsigned char> monitor);

} // namespace vestibule::sevsim
