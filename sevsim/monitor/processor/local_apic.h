// SPDX-License-Identifier: BSD-2-Clause-Patent
// The local APIC of the processor that this runs on (APM volume 2, section 16.5), as far as the
// monitor sends interrupts by it.
#pragma once

#include "sevsim/monitor/layout.h"

namespace vestibule::sevsim::local_apic {

inline constexpr u64 base               = 0xFEE0'0000;
inline constexpr u64 id                 = base + 0x20;
inline constexpr u64 end                = base + page_size;
inline constexpr u64 logical_id         = base + 0xD0;
inline constexpr u64 destination_format = base + 0xE0;
inline constexpr u64 command            = base + 0x300; // interrupt command register, lower half
inline constexpr u64 command_high       = base + 0x310;

inline constexpr u64 lint1 = base + 0x360; // local vector table, modes as below

// Of the interrupt command register:
inline constexpr u32 mode_mask       = 7u << 8;
inline constexpr u32 nmi             = 4u << 8;
inline constexpr u32 init            = 5u << 8;
inline constexpr u32 startup         = 6u << 8;
inline constexpr u32 logical         = 1u << 11; // the destination is a set of logical IDs
inline constexpr u32 pending         = 1u << 12;
inline constexpr u32 assert_level    = 1u << 14;
inline constexpr u32 level_triggered = 1u << 15;
inline constexpr u32 shorthand_mask  = 3u << 18;
inline constexpr u32 self            = 1u << 18;
inline constexpr u32 all             = 2u << 18;
inline constexpr u32 all_others      = 3u << 18;
inline constexpr u32 everyone        = 0xFF; // a destination

inline volatile u32& at(u64 address) { return *layout::at_physical<volatile u32>(address); }

inline void send(u32 what) { at(command) = what | assert_level; }

/// Leaves the destination that the guest may have written as it was.
inline void send_to(u32 apic_id, u32 what) {
    const u32 guests = at(command_high);
    at(command_high) = apic_id << 24;
    send(what);
    at(command_high) = guests;
}

} // namespace vestibule::sevsim::local_apic
