// SPDX-License-Identifier: BSD-2-Clause-Patent
// The wait before the boot, for who wants to stop it.
#pragma once

#include "efi/problem.h"

namespace vestibule::efi {

/// Waits for so many seconds; a key ends the wait and the boot.
Problem wait_for_key(u32 seconds);

} // namespace vestibule::efi
