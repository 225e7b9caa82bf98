// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a page of a launch is to the secure processor. IGVM names pages in its own way
// (header_types.h); this is what becomes of it.
#pragma once

#include "x86/types.h"

namespace vestibule::igvm {

/// SEV-SNP's PAGE_TYPE (SEV-SNP firmware ABI, SNP_LAUNCH_UPDATE).
enum class PageType : u8 {
    normal     = 1,
    vmsa       = 2,
    zero       = 3,
    unmeasured = 4,
    secrets    = 5,
    cpuid      = 6,
};

} // namespace vestibule::igvm
