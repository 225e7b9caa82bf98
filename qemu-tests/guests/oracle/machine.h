// SPDX-License-Identifier: BSD-2-Clause-Patent
// Entering a snippet and coming back (run.asm).
#pragma once

#include "vc/frame.h"
#include "x86/types.h"

namespace vestibule::oracle {

/// All that a snippet starts with.
struct Entry {
    u64 gpr[16];
    u64 rip;
    u64 cs;
    u64 rflags;
    u64 ss;
    u64 ds;
    u64 es;
    u64 fs;
    u64 gs;
    u64 fs_base;
    u64 gs_base;
    u64 has_bases; // 0: FS and GS have their descriptors'
};

/// Exceptions, then the 16 interrupts of the PICs.
inline constexpr unsigned vectors        = 48;
inline constexpr u64 entry_stride        = 16;
inline constexpr unsigned first_irq      = 32;
inline constexpr unsigned first_late_irq = 40;

} // namespace vestibule::oracle

#pragma GCC visibility push(hidden)
extern "C" {
/// Returns when something calls oracle_leave.
void oracle_enter(const vestibule::oracle::Entry& entry);
[[noreturn]] void oracle_leave();

extern vestibule::u8 recorder_entries[]; // one for each vector, entry_stride apart
extern vestibule::u8 oracle_vc_entry[];

/// RFLAGS and SS with which the entry of what ended the snippet began.
extern vestibule::u64 oracle_handler_rflags;
extern vestibule::u64 oracle_handler_ss;

// Called from the entries.
[[noreturn]] void oracle_record(const vestibule::vc::Frame& frame, vestibule::u32 vector);
void oracle_vc_handler(vestibule::vc::Frame& frame);
}
#pragma GCC visibility pop
