// SPDX-License-Identifier: BSD-2-Clause-Patent
// When the guest asked for what: VMGEXITs of each kind, counted by slices of time (sevsim/slice.h),
// so that a boot of millions of them is a picture and not a file that nobody reads.
#pragma once

#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

/// Time begins here; `khz` is the time-stamp counter's frequency, 0 where it cannot be measured.
void start_timeline(u64 khz);

/// One VMGEXIT, at this value of the time-stamp counter. `name` must be a literal.
void add_to_timeline(u64 time, Served kind, const char* name);

/// A line of the guest's serial output has ended.
void note_serial_line();

/// The slice that is not over yet.
void send_timeline();

} // namespace vestibule::sevsim
