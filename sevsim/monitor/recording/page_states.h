// SPDX-License-Identifier: BSD-2-Clause-Patent
// Whose guest memory is at the end of a run, for the picture that `--rmp` draws.
#pragma once

#include "sevsim/monitor/options.h"

namespace vestibule::sevsim {

/// One record for each run of pages in the same state; of an SEV-SNP guest, where they are asked
/// for.
void send_page_states(const Options& options);

} // namespace vestibule::sevsim
