// SPDX-License-Identifier: BSD-2-Clause-Patent
// The cases of the selftest.
#pragma once

#include "boot/boot_info.h"

namespace vestibule::selftest {

/// Runs every case and reports it; true where none failed.
bool run_all_cases(const boot::BootInfo& info);

} // namespace vestibule::selftest
