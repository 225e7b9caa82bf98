// SPDX-License-Identifier: BSD-2-Clause-Patent
// 64-bit code that touches nothing but general registers and status flags. What stands between two
// instructions that leave the guest is often no more than that: the loop that brings Linux from one
// PVALIDATE to the next has seven such instructions, and entering the guest for them costs more
// than all that the monitor does for the PVALIDATE.
#pragma once

#include "x86/types.h"

#include <span>

namespace vestibule::sevsim {

struct RegisterState {
    u64 general[16]; // by their numbers in instruction encodings: RAX, RCX, RDX, RBX, RSP ...
    u64 rip;
    u64 rflags;
};

/// Executes the instruction at RIP, which `code` starts with (APM volume 3): of 32 or 64 bits, on
/// registers or with an immediate, ADD to CMP, TEST, MOV, INC and DEC; jumps that are short or
/// near; NOP. False where it is another one or does not end in `code`: the state is then of no use.
bool execute_on_registers(RegisterState& state, std::span<const u8> code);

} // namespace vestibule::sevsim
