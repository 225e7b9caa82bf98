// SPDX-License-Identifier: BSD-2-Clause-Patent
// What was measured of each #VC, kept as a distribution: most handlers take one of a few paths, so
// equal samples are counted and not repeated.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

struct Sample {
    u64 exit_code;
    const char* name; // a literal
    u64 before;       // instructions from the handler's entry to its first VMGEXIT
    u64 after;        // from its last VMGEXIT to its IRET
    u64 total;        // both, and what lies between VMGEXITs
    u64 vmgexits;

    bool operator==(const Sample&) const = default;
};

/// False where there is no room for another kind of sample.
bool add_sample(const Sample& sample);

void send_samples();

} // namespace vestibule::sevsim
