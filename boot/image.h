// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where the image lies: addresses that the linker script defines (linker/stub.ld). The image runs
// wherever it was loaded, identity-mapped, so these are guest-physical addresses too.
#pragma once

#include "x86/types.h"

#pragma GCC visibility push(hidden)
extern "C" {
extern vestibule::u8 image_start[]; // the page tables that the vCPU was started on
extern vestibule::u8 text_start[];
extern vestibule::u8 text_end[];
extern vestibule::u8 svsm_start[];   // pages that are loaded below VMPL 0 alone, up to
extern vestibule::u8 attest_start[]; // pages that are loaded where a report is wanted
extern vestibule::u8 attest_end[];
extern vestibule::u8 stack_guard[];
extern vestibule::u8 image_end[];
}
#pragma GCC visibility pop

namespace vestibule::boot {

inline u64 address_of(const volatile void* object) { return reinterpret_cast<u64>(object); }

} // namespace vestibule::boot
