// SPDX-License-Identifier: BSD-2-Clause-Patent
// The states of a page in the reverse map table as the monitor tells them at the end and the host
// command draws them (`--rmp`). Freestanding: no library beyond x86/types.h.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

enum class PageState : u8 {
    untouched, // the hypervisor's, and the guest has never used it
    shared,
    assigned, // the guest's, but not validated
    validated,
    validated_large, // as part of 2 MiB
    lower_vmpl,      // validated, and a VMPL above 0 may use it
    vmsa,
};

/// By PageState; the words of the records and of the picture's legend.
inline constexpr const char* page_state_names[] = {
    "untouched",           "shared", "assigned, not validated", "validated", "validated by 2 MiB",
    "also a lower VMPL's", "VMSA"};

} // namespace vestibule::sevsim
