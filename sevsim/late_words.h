// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the host tells the monitor at `--from N`: words as its command line has them, spaces between
// them, zeros behind the last, in a file of fw_cfg's. None: the machine is to be kept there.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

inline constexpr const char* late_words_file = "opt/sevsim/from";

/// How the monitor ends where there are none and it was not stopped.
inline constexpr const char* stopped_too_late = "the host has not stopped QEMU in time";

/// Always all of it, since the guest sees the size. Sixteen lies are shorter.
inline constexpr size_t late_words_size = 2048;

} // namespace vestibule::sevsim
