// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which way a guest has taken, as far as its exits show it: pairs of one exit and the next, by
// kind, code and place, each a number of 16 bits. A plan that brings pairs which no plan has
// brought before has led somewhere new. In a batch alone.
#pragma once

#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

void note_edge(Served kind, u64 code, u64 rip);

/// All pairs, in one record.
void send_edges();

} // namespace vestibule::sevsim
