// SPDX-License-Identifier: BSD-2-Clause-Patent
// A walk of page tables in each paging mode (APM volume 2, chapter 5), for whoever has a way to
// read their entries: the monitor in its guest's place, and the host for gdb.
#pragma once

#include "x86/page_table.h"
#include "x86/registers.h"

namespace vestibule::sevsim {

/// What control registers say of paging.
struct PagingState {
    u64 cr0;
    u64 cr3; // without the C-bit
    u64 cr4;
    u64 efer;

    constexpr bool is_on() const { return (cr0 & x86::cr0::pg) != 0; }

    constexpr bool is_long_mode() const { return is_on() && (efer & x86::efer::lma) != 0; }
};

/// A paging mode: where its walk starts and how wide its entries are.
struct Paging {
    u64 root;
    unsigned entry_size;
    unsigned first_shift; // of the linear address, for the index into the root
    unsigned index_bits;  // per level
    unsigned first_index_bits;
    u64 large_shifts; // bit n set: an entry that maps 2^n bytes may be a page
};

/// The mode of tables of 4 or 5 levels.
constexpr Paging long_mode_paging(u64 root, bool five_levels) {
    return {root & x86::PageTableEntry::address_mask,
            8,
            five_levels ? 48u : 39u,
            9,
            9,
            bit(30) | bit(21)};
}

constexpr Paging paging_of(const PagingState& state) {
    if (state.is_long_mode()) {
        return long_mode_paging(state.cr3, (state.cr4 & x86::cr4::la57) != 0);
    }
    if ((state.cr4 & x86::cr4::pae) != 0) {
        return {state.cr3 & 0xFFFF'FFE0, 8, 30, 9, 2, bit(21)};
    }
    const bool large_page = (state.cr4 & x86::cr4::pse) != 0;
    return {state.cr3 & 0xFFFF'F000, 4, 22, 10, 10, large_page ? bit(22) : 0};
}

/// Where a walk leads, what all of its entries have in common, and the last one.
struct Walk {
    static constexpr u64 nowhere = ~u64{0};

    u64 address; // with the C-bit as the page's entry has it; `nowhere` where there is no page
    u64 common = ~u64{0};
    u64 last   = ~u64{0};

    constexpr bool leads_somewhere() const { return address != nowhere; }
};

/// `read_entry(address, size)` gives an entry, 0 where there is none, of a table at an address that
/// may have the C-bit.
template <class ReadEntry>
constexpr Walk walk_tables(const Paging& paging, u64 linear, ReadEntry read_entry) {
    using x86::PageTableEntry;
    u64 common          = ~u64{0};
    unsigned index_bits = paging.first_index_bits;
    u64 table           = paging.root;
    for (unsigned shift = paging.first_shift;; shift -= paging.index_bits) {
        const u64 index = (linear >> shift) & (bit(index_bits) - 1);
        const u64 entry = read_entry(table + index * paging.entry_size, paging.entry_size);
        common &= entry;
        if ((entry & PageTableEntry::present) == 0) {
            return {Walk::nowhere, common, entry};
        }
        const u64 address = entry & PageTableEntry::address_mask;
        const bool large =
            (entry & PageTableEntry::large) != 0 && (paging.large_shifts & bit(shift)) != 0;
        if (shift == 12 || large) {
            const u64 offset_mask = bit(shift) - 1;
            return {(address & ~offset_mask) | (linear & offset_mask), common, entry};
        }
        table      = address;
        index_bits = paging.index_bits;
    }
}

} // namespace vestibule::sevsim
