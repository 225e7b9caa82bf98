// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/nested_pages.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/nested_entries.h"
#include "sevsim/monitor/memory/page_set.h"
#include "sevsim/monitor/memory/shared_noise.h"

namespace vestibule::sevsim::nested {

using x86::PageTable;
using x86::PageTableEntry;

namespace {

constinit u64 shared_page_count = 0;

/// The pages of the shared view that show the private one.
constinit PageSet aliases{};

constinit u64 taken[16]{}; // by take_shared()
constinit size_t taken_count = 0;

// A page shows its contents through one view only. An entry that is not present is either 0 or
// this: what the page held in this view was destroyed by a write through the other one, so that the
// next look finds noise. An entry that is present but not writable is a look at a page whose
// contents stand in the other view; the first write takes the page over.
constexpr u64 destroyed = bit(9); // a bit of the entry that is software's

void write_noise(PageTableEntry& entry, u64 backing, u64 seed, u64 page) {
    static constinit u64 times = 0; // never the same noise twice
    if (entry.value == destroyed) {
        fill_with_noise(layout::at_physical(backing), page_size, (seed ^ page) + (++times << 48));
    }
}

/// Makes the 2 MiB around `gpa` there in the private view, where they were never touched. The first
/// 2 MiB go page by page, since the video hole is among them.
void map_private_block(u64 gpa) {
    const u64 block       = gpa & ~(x86::large_page_size - 1);
    PageTableEntry& entry = directory_entry(private_view, block);
    if (entry.is_present()) {
        return;
    }
    fill_with_noise(layout::at_physical(layout::private_base + block), x86::large_page_size,
                    private_seed ^ block);
    if (block != 0) {
        entry.value = (layout::private_base + block) | page_flags | PageTableEntry::large;
        return;
    }
    for (u64 page = 0; page < x86::large_page_size; page += page_size) {
        if (page < video_begin || page >= video_end) {
            page_entry(private_view, page).value = (layout::private_base + page) | page_flags;
        }
    }
}

/// The private view's entry for one page, its block split where it was one large page.
PageTableEntry& private_page_entry(u64 page) {
    map_private_block(page);
    split_private_block(page);
    return page_entry(private_view, page);
}

} // namespace

void make_page_sets(const MemoryMap& map) { aliases.make(map.end()); }

void split_private_block(u64 page) {
    PageTableEntry& directory = directory_entry(private_view, page);
    if (directory.is_large()) {
        const u64 block  = page & ~(x86::large_page_size - 1);
        PageTable* table = new_table();
        for (u64 n = 0; n < 512; ++n) {
            table->entry[n].value = (layout::private_base + block + n * page_size) | page_flags;
        }
        directory.value = layout::physical(table) | table_flags;
    }
}

void map_private(u64 gpa, bool write) {
    map_private_block(gpa);
    if (directory_entry(private_view, gpa).is_large()) {
        return;
    }
    const u64 page        = gpa & ~(page_size - 1);
    const u64 backing     = layout::private_base + page;
    PageTableEntry& entry = page_entry(private_view, page);
    if (!entry.is_present()) {
        write_noise(entry, backing, private_seed, page);
        entry.value = backing | (page_flags & ~PageTableEntry::writable);
    }
    if (write && (entry.value & PageTableEntry::writable) == 0) {
        entry.value            = backing | page_flags;
        PageTableEntry& shared = page_entry(shared_view, page);
        if (shared.is_present() && shared.address(0) == page) {
            shared.value = destroyed;
            ++generation;
            write_noise(shared, page, shared_seed, page);
        }
    }
}

void map_shared(u64 gpa, bool write) {
    const u64 page        = gpa & ~(page_size - 1);
    PageTableEntry& entry = page_entry(shared_view, page);
    if (!entry.is_present()) {
        need_shared_noise(page);
        shared_page_count += entry.value == 0 ? 1 : 0;
        entry.value = page | (page_flags & ~PageTableEntry::writable) | PageTableEntry::no_execute;
    }
    if (write && (entry.value & PageTableEntry::writable) == 0) {
        entry.value |= PageTableEntry::writable;
        private_page_entry(page).value = destroyed;
        ++generation;
    }
}

void alias_private(u64 gpa) {
    const u64 page = gpa & ~(page_size - 1);
    map_private(page, true);
    PageTableEntry& entry = page_entry(shared_view, page);
    entry.value           = (layout::private_base + page) | page_flags | (entry.value & destroyed);
    aliases.add(page);
    ++generation;
}

void drop_aliases() {
    if (aliases.is_empty()) {
        return;
    }
    aliases.take_each([](u64 page) { page_entry(shared_view, page).value &= destroyed; });
    ++generation;
}

void take_shared(u64 gpa) {
    if (taken_count < sizeof taken / sizeof taken[0]) {
        taken[taken_count++]               = gpa & ~(page_size - 1);
        page_entry(shared_view, gpa).value = 0;
        ++generation;
    }
}

bool is_taken(u64 gpa) {
    for (size_t n = 0; n < taken_count; ++n) {
        if (taken[n] == (gpa & ~(page_size - 1))) {
            return true;
        }
    }
    return false;
}

u64 shared_pages() { return shared_page_count; }

} // namespace vestibule::sevsim::nested
