// SPDX-License-Identifier: BSD-2-Clause-Patent
// Choosing the protocol version (GHCB specification, section 2.2).
#pragma once

#include "x86/types.h"

namespace vestibule::ghcb {

inline constexpr u16 own_min_version = 1;
inline constexpr u16 own_max_version = 2;

/// The highest version that both sides speak; 0 where there is none. A hypervisor's range with its
/// minimum above its maximum holds no version at all.
constexpr u16 negotiate_version(u16 hypervisor_min, u16 hypervisor_max) {
    const u16 version = hypervisor_max < own_max_version ? hypervisor_max : own_max_version;
    return version >= hypervisor_min && version >= own_min_version ? version : u16{0};
}

} // namespace vestibule::ghcb
