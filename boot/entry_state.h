// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a vCPU holds when it executes the image's first instruction, as far as it matters to both
// who makes that state (igvm/image/initial_state.h) and who relies on it (the entries).
#pragma once

#include "x86/registers.h"

namespace vestibule::boot {

/// The CPU modes in which an image can be entered.
enum class Entry : u8 {
    legacy32, // 32-bit legacy protected mode, paging off
    compat,   // 32-bit code in long mode (EFER.LMA = 1, CS.L = 0)
    long64,   // 64-bit mode
};

// 32-bit code cannot read its own address without a stack, and it has none before it knows its
// address. So 32-bit entries are told, in EBX, where the image lies. In ESI they are told the
// boot::Platform that the image was made for: with paging on that stands in the measured page
// tables (C-bit or none), without paging it must stand in the measured registers. It is not for the
// hypervisor to say.

/// With paging and long mode on, as compat and long64 begin and legacy32 soon is.
inline constexpr u64 paging_cr0 =
    x86::cr0::pg | x86::cr0::wp | x86::cr0::ne | x86::cr0::et | x86::cr0::pe;
inline constexpr u64 paging_cr4  = x86::cr4::pae | x86::cr4::mce;
inline constexpr u64 paging_efer = x86::efer::nxe | x86::efer::lma | x86::efer::lme;

/// Without.
inline constexpr u64 legacy_cr0 = x86::cr0::ne | x86::cr0::et | x86::cr0::pe;
inline constexpr u64 legacy_cr4 = x86::cr4::mce;

} // namespace vestibule::boot
