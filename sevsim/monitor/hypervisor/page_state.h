// SPDX-License-Identifier: BSD-2-Clause-Patent
// Page state change: the guest asks the hypervisor to take a page from it or to give it one (GHCB
// specification, MSR request 0x014 and exit 0x80000010).
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

namespace page_operation {
inline constexpr unsigned assign_private = 1;
inline constexpr unsigned assign_shared  = 2;
inline constexpr unsigned smash          = 3; // hints: the hypervisor chooses its sizes itself
inline constexpr unsigned unsmash        = 4;
} // namespace page_operation

/// Changes one page of 4 KiB or 2 MiB; false where it cannot be.
bool change_page_state(u64 gpa, unsigned operation, bool is_large);

/// Leaves it as it is, and the guest is told otherwise: what it does with it now is not its fault.
void falsify_page_state(u64 gpa, bool is_large);

} // namespace vestibule::sevsim
