// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/nested_entries.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"

namespace vestibule::sevsim::nested {

using x86::PageTable;
using x86::PageTableEntry;

namespace {

PageTable* table_at(PageTableEntry entry) {
    return reinterpret_cast<PageTable*>(entry.address(0) - layout::monitor_physical
                                        + layout::monitor_virtual);
}

PageTable* next_table(PageTable& table, unsigned index) {
    PageTableEntry& entry = table.entry[index];
    if (!entry.is_present()) {
        entry.value = layout::physical(new_table()) | table_flags;
    }
    return table_at(entry);
}

} // namespace

PageTable* new_table() { return static_cast<PageTable*>(allocate_pages(1)); }

void make_views() {
    private_view.pointers = new_table();
    shared_view.pointers  = new_table();
}

View region_of(PageTable& regions, u64 gpa) {
    return {next_table(regions, x86::table_index(gpa, 4))};
}

PageTableEntry& directory_entry(View view, u64 gpa) {
    return next_table(*view.pointers, x86::table_index(gpa, 3))->entry[x86::table_index(gpa, 2)];
}

PageTableEntry& page_entry(View view, u64 gpa) {
    PageTable* directory = next_table(*view.pointers, x86::table_index(gpa, 3));
    return next_table(*directory, x86::table_index(gpa, 2))->entry[x86::table_index(gpa, 1)];
}

void fill_with_noise(void* memory, u64 size, u64 seed) {
    // Plain stores are the quickest under TCG, and most so where little else stands between them:
    // a block begins with what is well mixed and goes on by one cheap step a word.
    constexpr u64 at_once = 16;
    auto* to              = static_cast<u64*>(memory);
    auto* const end       = to + size / sizeof(u64);
    for (; to < end; to += at_once) {
        seed += 0x9E37'79B9'7F4A'7C15;
        const u64 mixed = (seed ^ (seed >> 29)) * 0xBF58'476D'1CE4'E5B9;
        u64 one         = mixed ^ (mixed >> 31);
        u64 other       = ~mixed + seed;
        for (u64 n = 0; n < at_once; n += 2) {
            to[n]     = one;
            to[n + 1] = other;
            one += other;
            other ^= one;
        }
    }
}

} // namespace vestibule::sevsim::nested
