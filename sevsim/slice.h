// Time as `sevsim run --timeline` draws it: in slices, of which the monitor tells how many VMGEXITs
// of each kind there were. Freestanding: no library beyond x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// Of the guest's time-stamp counter.
inline constexpr u64 slice_milliseconds = 20;

} // namespace vestibule::sevsim
