// SPDX-License-Identifier: BSD-2-Clause-Patent
// gdb's view of the guest's memory (sevsim/monitor/debugger_view.h).
#pragma once

#include "sevsim/monitor/options.h"

namespace vestibule::sevsim {

/// The guest is loaded: from here on a debugger finds its memory by its own tables.
void show_debugger(const Options& options);

} // namespace vestibule::sevsim
