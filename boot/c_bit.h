// SPDX-License-Identifier: BSD-2-Clause-Patent
// The C-bit: which bit of a page-table entry makes a page private, and the proof that it does.
#pragma once

#include "x86/types.h"

namespace vestibule::boot {

/// The C-bit's mask as it stands in the page tables that 64-bit code was entered on; 0 where the
/// image was built for a native machine. An image that is entered with paging on has those tables
/// in its launch digest: there this is what the guest's owner chose, not what the hypervisor says.
/// The 32-bit entry made them with the C-bit that it found and has proved (boot/legacy).
u64 measured_c_bit();

/// Proves that `c_bit` makes memory private, or ends the guest.
///
/// Call on the page tables that 64-bit code was entered on.
void prove_c_bit(u64 c_bit);

} // namespace vestibule::boot
