// SPDX-License-Identifier: BSD-2-Clause-Patent
// The interrupted code's registers at a #VC: what the entry stub pushes, then what the CPU pushed
// (APM volume 2, section 8.9.3). Handlers read and write the interrupted state here and nowhere
// else, and write only after the whole answer was accepted.
#pragma once

#include "x86/types.h"

namespace vestibule::vc {

struct Frame {
    u64 rax;
    u64 rcx;
    u64 rdx;
    u64 rbx;
    u64 rbp;
    u64 rsi;
    u64 rdi;
    u64 r8;
    u64 r9;
    u64 r10;
    u64 r11;
    u64 r12;
    u64 r13;
    u64 r14;
    u64 r15;
    u64 error_code;
    u64 rip;
    u64 cs;
    u64 rflags;
    u64 rsp;
    u64 ss;
};

static_assert(sizeof(Frame) == 21 * sizeof(u64));

/// Whether the words that the CPU pushed are those of an event with an error code, or of one for
/// which the entry pushed a zero in its place. Of a frame where the entry has laid it out: in long
/// mode the CPU aligns the stack to 16 before it pushes (APM volume 2, section 8.9.3).
///
/// SECURITY: a hypervisor can inject #VC without an error code (EVENTINJ, section 15.20: EV = 0, or
/// another type). Each word is then one place off: the code segment would be RFLAGS, and RIP an
/// exit code.
inline bool is_whole(const Frame& frame) {
    return (reinterpret_cast<u64>(&frame.error_code) & 15) == 0;
}

} // namespace vestibule::vc
