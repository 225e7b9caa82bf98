// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest's I/O ports: QEMU's devices, but for those that belong to the run itself: its exit, its
// dump, and the monitor's records.
#pragma once

#include "sevsim/monitor/options.h"

namespace vestibule::sevsim {

/// `size` is 1, 2 or 4 bytes.
u32 read_guest_port(const Options& options, u16 port, unsigned size);
void write_guest_port(const Options& options, u16 port, unsigned size, u32 value);

} // namespace vestibule::sevsim
