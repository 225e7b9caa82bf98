// SPDX-License-Identifier: BSD-2-Clause-Patent
// Pages of the image that the hypervisor is to have: taken back, asked for by the caller, mapped.
#pragma once

#include "x86/types.h"

namespace vestibule::boot {

/// No cache line of the page is left, and it is not validated any more. Ends the guest where that
/// fails.
void take_back(u64 page);

/// Takes the C-bit from the mapping of a page of the image.
void map_shared(u64 page, u64 c_bit);

} // namespace vestibule::boot
