// SPDX-License-Identifier: BSD-2-Clause-Patent
// The firmware that the application runs on: the tables that it was started with, and what is asked
// of them in more than one place.
#pragma once

#include "efi/efi.h"
#include "efi/text.h"

namespace vestibule::efi {

struct Firmware {
    EFI_HANDLE image;
    EFI_SYSTEM_TABLE* system;
};

/// Set once, before anything else.
extern Firmware firmware;

inline EFI_BOOT_SERVICES& services() { return *firmware.system->BootServices; }

/// The protocol on a handle, nullptr where there is none (UEFI specification 2.10, section 7.3.7).
template <class Protocol>
Protocol* protocol(EFI_HANDLE handle, EFI_GUID guid) {
    void* found = nullptr;
    return services().HandleProtocol(handle, &guid, &found) == EFI_SUCCESS
               ? static_cast<Protocol*>(found)
               : nullptr;
}

/// A table of EFI's configuration (section 4.6), 0 where there is none of that GUID.
u64 find_table(const EFI_GUID& guid);

/// ACPI's root pointer out of the configuration table (section 4.6): that of ACPI 2.0 and later, or
/// else that of 1.0; 0 where there is neither.
u64 find_rsdp();

/// What a status means, in the specification's words (appendix D).
Text name_of(EFI_STATUS status);

} // namespace vestibule::efi
