// A payload has to reach devices before it has page tables of its own.
#pragma once

#include "boot/hand_over/header.h"

namespace vestibule::boot {

/// Takes the C-bit from the stub's mapping of 3 to 4 GiB, where a PC has its APICs, but for what is
/// RAM there as far as anyone has said.
void share_device_memory(const BootInfo& info);

} // namespace vestibule::boot
