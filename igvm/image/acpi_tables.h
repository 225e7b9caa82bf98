// SPDX-License-Identifier: BSD-2-Clause-Patent
// The least of ACPI that tells a kernel how many processors there are (ACPI specification 6.5,
// sections 5.2.5 to 5.2.12): root pointer, XSDT, FADT, MADT and an empty DSDT, in one measured
// page. Without firmware nobody else does, and what a hypervisor would tell is not to be believed.
#pragma once

#include "x86/types.h"

#include <array>

namespace vestibule::igvm {

/// So many processors have room in the page, with APIC IDs from 0 on.
inline constexpr u32 most_acpi_processors = 320;

/// `gpa` is the page's own address, at which the root pointer stands.
std::array<u8, page_size> make_acpi_tables(u64 gpa, u32 processors);

} // namespace vestibule::igvm
