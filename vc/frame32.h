// SPDX-License-Identifier: BSD-2-Clause-Patent
// The interrupted code's registers at an exception in 32-bit legacy mode, handler at the same
// privilege: what the entry stub pushes (boot/legacy/interrupts.asm), then what the CPU pushed (APM
// volume 2, section 8.7.1). Long mode has vc::Frame, whatever code was interrupted.
#pragma once

#include "x86/types.h"

namespace vestibule::vc {

struct Frame32 {
    u32 edi; // PUSHAD's order
    u32 esi;
    u32 ebp;
    u32 esp; // the entry stub's, of no use
    u32 ebx;
    u32 edx;
    u32 ecx;
    u32 eax;
    u32 vector;
    u32 error_code; // of vectors that have one; from here on displaced for the others
    u32 eip;
    u32 cs;
    u32 eflags;
};

static_assert(sizeof(Frame32) == 13 * sizeof(u32));

} // namespace vestibule::vc
