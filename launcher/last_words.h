// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a guest of this project has left in its GHCB page before it asked to be ended.
#pragma once

#include "launcher/memory.h"

#include <string>

namespace vestibule::launcher {

/// In words, to follow the request's; "" where there is none. KVM does not say where the page is,
/// so all of memory is looked through that was ever touched: what is private reads as noise.
std::string last_words(const GuestMemory& memory, u64 ghcb_msr);

} // namespace vestibule::launcher
