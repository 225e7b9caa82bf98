// SPDX-License-Identifier: BSD-2-Clause-Patent
// Many runs of one guest, each by a plan of its own, without a new machine for each. Before the
// first one the monitor keeps a copy of itself and of the devices' state; where a run has ended it
// takes them back, and loads the guest again. All that a run leaves is in there, or is made anew by
// loading: nested tables, reverse map table and secure processor are the monitor's own memory, and
// what guest memory holds is noise until it is loaded or written to, the same noise each time.
#pragma once

#include "sevsim/monitor/loading/loader.h"
#include "sevsim/monitor/options.h"

#include <span>

namespace vestibule::sevsim::batch {

/// How a run starts: loads the guest and enters it.
using Start = void (*)(const Options& options);

/// What must be the same at each start.
struct Machine {
    const GuestFiles& files;
    const MultibootInformation& information;
};

/// Starts the runs, one after the other, as the plans say, and leaves QEMU behind the last one.
/// `plans` is a text of sevsim/plan.h.
[[noreturn]] void begin(const Options& options, const Machine& machine, std::span<const u8> plans,
                        Start start);

/// True from begin() on.
bool is_under_way();

/// A run has ended, and all is told of it: the next one.
[[noreturn]] void go_on();

} // namespace vestibule::sevsim::batch
