// SPDX-License-Identifier: BSD-2-Clause-Patent
// The stub's last resort.
#pragma once

#include "ghcb/termination.h"

namespace vestibule::boot {

/// Ends the guest with a coded termination request; on a native machine, by the emulator's exit
/// port and then by halting.
[[noreturn]] void fail(ghcb::Reason reason);

} // namespace vestibule::boot
