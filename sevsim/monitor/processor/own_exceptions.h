// SPDX-License-Identifier: BSD-2-Clause-Patent
// The monitor's own IDT: exceptions, which end the run, and the NMI by which processors wake each
// other.
#pragma once

namespace vestibule::sevsim {

/// Loads the IDT on the processor that this runs on.
void catch_own_exceptions();

} // namespace vestibule::sevsim
