// SPDX-License-Identifier: BSD-2-Clause-Patent
// Words of the monitor's that say why a guest has halted for good, where an oracle has to know.
#pragma once

namespace vestibule::sevsim {

/// It has asked for its termination, and nobody has looked at that (Lie::unanswered).
inline constexpr const char* halt_behind_termination =
    "HLT behind a termination request that nobody has looked at";

} // namespace vestibule::sevsim
