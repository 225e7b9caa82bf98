// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the oracle's guest dumps of each snippet, read by qemu-tests/snippet_compare.cpp. The dump
// describes itself, so the table of snippets is in one place, the guest.
#pragma once

#include "x86/types.h"

namespace vestibule::oracle {

/// All that a snippet left, where it is comparable (Row::compared); nothing else is.
struct State {
    u64 gpr[16]; // numbered as the machine does
    u64 rip;
    u64 cs;
    u64 rflags;
    u64 ss;
    u64 vector; // of the exception or interrupt that ended the snippet, or `terminated`
    u64 error_code;
    u64 cr2;
    u64 dr6;
    u64 ports;      // what the storage at ports 0xE0 to 0xE3 holds
    u64 interrupts; // that are pending still
    // What the handler of that exception began with.
    u64 handler_rflags;
    u64 handler_ss;
};

/// Instead of a vector: the #VC handler wanted to end the guest. The error code is why.
inline constexpr u64 terminated = 0x100;

struct Record {
    static constexpr u64 magic_row = 0x5445'5050'494E'5300; // "\0SNIPPET"
    static constexpr u64 magic_end = 0x0044'4E45'444E'4500; // "\0ENDEND\0"

    u64 magic;
    char name[64];
    u64 line;      // of conformance.md, or 0
    u64 code_size; // 64, 32 or 16
    u64 cpl;
    u64 vcs;           // #VCs that the snippet raised
    u64 exit_code;     // of the first one
    u64 unintercepted; // 1 where it must not raise any
    State state;
    u64 changes; // so many changed words of memory follow
};

/// Eight bytes of memory or of the device that are not as they were.
struct Change {
    u64 address;
    u64 value;
};

} // namespace vestibule::oracle
