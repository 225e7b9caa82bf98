// SPDX-License-Identifier: BSD-2-Clause-Patent
// How fast the time-stamp counter runs, for guests that must be told.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// In kHz, measured against the ACPI timer; 0 where there is none. Takes some milliseconds.
u64 tsc_frequency_khz();

} // namespace vestibule::sevsim
