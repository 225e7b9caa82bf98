// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which of the library's entries an event interrupted, where the flags do not say so yet or any
// more (library/entries.asm). By RIP, which at CPL 0 is nobody's but the kernel's.
#pragma once

#include "vc/frame.h"
#include "vc/refuse.h"

#pragma GCC visibility push(hidden)
extern "C" {
extern vestibule::u8 vestibule_vc_entry_start[];
extern vestibule::u8 vestibule_vc_entry_end[];
extern vestibule::u8 vestibule_nmi_entry_start[];
extern vestibule::u8 vestibule_nmi_handled[];
extern vestibule::u8 vestibule_nmi_left[];
extern vestibule::u8 vestibule_nmi_entry_end[];
extern vestibule::u8 vestibule_nmi_latched[];
extern vestibule::u8 vestibule_nmi_latched_end[];
extern vestibule::u8 vestibule_mc_entry_start[];
extern vestibule::u8 vestibule_mc_entry_end[];
}
#pragma GCC visibility pop

namespace vestibule::library {

inline bool is_between(const vc::Frame& frame, const u8* start, const u8* end) {
    const auto first = reinterpret_cast<u64>(start);
    return frame.rip - first < reinterpret_cast<u64>(end) - first
           && vc::privilege_level(frame) == 0;
}

inline bool in_vc_entry(const vc::Frame& frame) {
    return is_between(frame, vestibule_vc_entry_start, vestibule_vc_entry_end);
}

/// Where an NMI's frame is not yet out of the way, or is about to be popped: to where NMIs are
/// masked on every honest host.
inline bool in_nmi_entry(const vc::Frame& frame) {
    return is_between(frame, vestibule_nmi_entry_start, vestibule_nmi_handled)
           || is_between(frame, vestibule_nmi_latched, vestibule_nmi_latched_end);
}

inline bool in_mc_entry(const vc::Frame& frame) {
    return is_between(frame, vestibule_mc_entry_start, vestibule_mc_entry_end);
}

inline bool in_nmi_exit(const vc::Frame& frame) {
    return is_between(frame, vestibule_nmi_left, vestibule_nmi_entry_end);
}

} // namespace vestibule::library
