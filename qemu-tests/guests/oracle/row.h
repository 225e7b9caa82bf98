// SPDX-License-Identifier: BSD-2-Clause-Patent
// One row of the table of snippets, as row.inc lays it out.
#pragma once

#include "x86/types.h"

namespace vestibule::oracle {

struct Row {
    /// What the snippet needs beside registers.
    enum Flag : u16 {
        at_page_end   = 1 << 0, // its last byte is the last of a page, and the next is not mapped
        interrupt     = 1 << 1, // IRQ 5 is pending
        ports_allowed = 1 << 2, // the TSS's bitmap lets user mode at ports 0xE0 to 0xE3 and 0x511
        osxsave       = 1 << 3, // CR4.OSXSAVE is set and XCR0 is 7
        tsd           = 1 << 4, // CR4.TSD is set
        recorded      = 1 << 5, // it writes to the port that keeps what it is given
        unintercepted = 1 << 6, // it must not raise #VC: something else comes first
        smap          = 1 << 7, // CR4.SMAP is set
        own_stack     = 1 << 8, // exceptions are pushed on the snippet's stack, or RSP 0's
    };

    /// Bits of a register that can be compared at all.
    struct Compared {
        u64 gpr[4]; // RAX, RCX, RDX, RBX
        u64 rflags;
    };

    char name[64];
    u64 gpr[16];
    u64 rflags;
    u64 fs_base; // 64-bit code
    u64 gs_base;
    Compared compared;
    u16 cs;
    u16 ss;
    u16 ds;
    u16 es;
    u16 fs;
    u16 gs;
    u16 line; // of conformance.md
    u16 flags;
    u8 code_size; // 64, 32, 16
    u8 code_length;
    u8 reserved[6];
    u8 code[32]; // filled up with INT3
};

static_assert(sizeof(Row) == 64 + 16 * 8 + 8 * 8 + 8 * 2 + 8 + 32);

} // namespace vestibule::oracle
