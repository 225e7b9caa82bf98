// SPDX-License-Identifier: BSD-2-Clause-Patent
// The flash with the firmware's variables: a device of the hypervisor's, so not encrypted. What is
// written lasts as long as the run.
#pragma once

#include "x86/types.h"

#include <span>

namespace vestibule::sevsim {

/// Makes `contents` the flash at a guest-physical address. Whole pages.
void add_flash(u64 gpa, std::span<u8> contents);

bool is_flash(u64 gpa);

/// One access of up to 8 bytes through MMIO. All of the flash reads alike then.
u64 read_flash(u64 length);
void write_flash(u64 gpa, u64 value);

} // namespace vestibule::sevsim
