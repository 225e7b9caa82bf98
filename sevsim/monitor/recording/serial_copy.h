// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the guest writes to its first serial port, among the records: in a batch the host has to
// know of which run each line is, and the port's own way to the host says nothing of where one
// ends.
#pragma once

#include "sevsim/monitor/options.h"

namespace vestibule::sevsim {

/// The guest writes to a port.
void copy_serial(const Options& options, u16 port, unsigned size, u32 value);

/// Sends what has gathered.
void flush_serial_copy();

} // namespace vestibule::sevsim
