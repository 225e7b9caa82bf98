// SPDX-License-Identifier: BSD-2-Clause-Patent
// Time as `sevsim run --timeline` draws it: in slices, of which the monitor tells how many VMGEXITs
// of each kind there were. Freestanding: no library beyond x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// Slices begin at milliseconds of the guest's time-stamp counter: fine ones at first, so that a
/// short run is a picture too, then such that a long one is not a file that nobody reads.
inline constexpr u64 fine_milliseconds   = 2'000;
inline constexpr u64 coarse_milliseconds = 20;

constexpr u64 slice_of(u64 millisecond) {
    return millisecond < fine_milliseconds ? millisecond
                                           : millisecond - millisecond % coarse_milliseconds;
}

} // namespace vestibule::sevsim
