// SPDX-License-Identifier: BSD-2-Clause-Patent
// What firmware does for its further processors before it starts a kernel: it parks them in AP
// reset hold, in memory that it keeps, and tells where the AP jump table is by which the kernel can
// have them (GHCB specification, section 4.3). A kernel that is loaded without firmware needs it
// too.
#pragma once

#include "sevsim/linux_boot.h"
#include "sevsim/monitor/processor/vcpu.h"

#include <span>

namespace vestibule::sevsim {

/// Takes the page out of the memory that the kernel may use.
void reserve_parking(linux_boot::BootParameters& parameters);

/// All but the first, which start there at once.
void park_processors(std::span<Vcpu> vcpus);

} // namespace vestibule::sevsim
