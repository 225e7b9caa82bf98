// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/own_tables.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "x86/cpu.h"
#include "x86/page_table.h"
#include "x86/registers.h"

namespace vestibule::sevsim {

namespace {

constinit x86::PageTable top{}; // with five levels
constinit x86::PageTable root{};
constinit x86::PageTable high{};
constinit u64 hidden_end = 0;

constexpr u64 table         = x86::PageTableEntry::present | x86::PageTableEntry::writable;
constexpr u64 gigabyte_page = table | x86::PageTableEntry::large;

/// The 512 GiB around an address, in gigabytes at their own addresses.
void map_region(u64 address) {
    x86::PageTableEntry& entry = root.entry[x86::table_index(address, 4)];
    if (entry.is_present()) {
        return;
    }
    auto* gigabytes = static_cast<x86::PageTable*>(allocate_pages(1));
    const u64 begin = address & ~(bit(39) - 1);
    for (u64 n = 0; n < 512; ++n) {
        gigabytes->entry[n].value = (begin + (n << 30)) | gigabyte_page;
    }
    entry.value = layout::physical(gigabytes) | table;
}

} // namespace

void map_own_memory() {
    map_region(0);
    root.entry[x86::table_index(layout::monitor_virtual, 4)].value =
        layout::physical(&high) | table;
    high.entry[x86::table_index(layout::monitor_virtual, 3)].value =
        layout::monitor_physical | gigabyte_page;
    // As start.asm has it: the lowest and the highest part are the same.
    top.entry[0].value = top.entry[511].value = layout::physical(&root) | table;
    load_own_tables();
}

void load_own_tables() { x86::Cpu::set_cr3(layout::physical(has_five_levels() ? &top : &root)); }

bool has_five_levels() { return (x86::Cpu::cr4() & x86::cr4::la57) != 0; }

void set_hidden_end(u64 end) {
    hidden_end = (end + x86::large_page_size - 1) & ~(x86::large_page_size - 1);
}

bool is_hidden(u64 gpa) { return gpa >= layout::monitor_physical && gpa < hidden_end; }

u8* device_register(u64 gpa) {
    constexpr u64 canonical_end = bit(47); // of the lower half
    if (is_hidden(gpa) || gpa >= canonical_end) {
        return nullptr;
    }
    map_region(gpa); // no entry changes that was present, so no TLB holds another
    return layout::at_physical(gpa);
}

} // namespace vestibule::sevsim
