// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the host command has to know to read guest memory for gdb, in the monitor's first bytes: it
// reads them out of the stopped machine (sevsim/gdb_memory.h), at MemoryMap::device().
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

struct DebuggerView {
    static constexpr u64 ready_magic = 0x7365'7673'696D'0001;

    u64 ready;        // `ready_magic` once all of it counts: from the guest's first instruction on
    u64 is_encrypted; // 0: one view, whose addresses are the machine's
    u64 c_bit_position;
    u64 monitor;      // where it lies, this being its first word
    u64 monitor_size; // which includes all of its page tables
    u64 five_levels;  // of the nested tables
    u64 private_root; // physical, of the nested tables in which all is private
    u64 shared_root;  // of those in which an address without the C-bit is
    u64 vmrun;        // the address of the instruction from which the guest is entered
};

static_assert(sizeof(DebuggerView) == 72);

} // namespace vestibule::sevsim
