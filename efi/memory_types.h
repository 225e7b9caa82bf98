// SPDX-License-Identifier: BSD-2-Clause-Patent
// What memory of EFI's types is once boot services have ended (UEFI specification 2.10,
// table 7.10).
#pragma once

#include "efi/efi.h"

namespace vestibule::efi {

/// Whether all of it is free then, but for what is the loader's own.
constexpr bool is_usable(u32 type) {
    return type == EfiLoaderCode || type == EfiLoaderData || type == EfiBootServicesCode
           || type == EfiBootServicesData || type == EfiConventionalMemory;
}

} // namespace vestibule::efi
