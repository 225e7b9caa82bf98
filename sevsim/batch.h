// SPDX-License-Identifier: BSD-2-Clause-Patent
// Many runs of one guest, each with a plan of its own, in one QEMU: the monitor starts the guest
// anew where a run has ended (sevsim/monitor/batch.h), which takes a small part of what a start of
// QEMU takes. Where QEMU dies, or a guest does not give way to the monitor, the next plan goes to a
// new one.
#pragma once

#include "sevsim/options.h"
#include "sevsim/report.h"

#include <expected>
#include <functional>
#include <span>
#include <string>

namespace vestibule::sevsim {

/// Takes each run as it ends: the index of its plan, and what became of it, the guest's output with
/// it. False: no more of them.
using TakeRun = std::function<bool(std::size_t index, const RunResult& result)>;

/// What a batch cannot do, in words; nothing where it can: some options and guests need a machine
/// that has just been switched on.
std::string batch_contradiction(const RunOptions& options);

/// Runs `asked`'s guest once by each plan, in their order. Where `asked.timeout` is not zero, it
/// is each run's own. Its `hostile`, `trace`, `dump`, `timeline`, `rmp`, `profile` and `gdb`
/// are not used. An error only where no run could be started.
std::expected<void, std::string> run_plans(const RunOptions& asked, std::span<const Plan> plans,
                                           std::span<const unsigned char> monitor,
                                           const TakeRun& take);

} // namespace vestibule::sevsim
