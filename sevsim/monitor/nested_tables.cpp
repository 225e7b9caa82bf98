#include "sevsim/monitor/nested_tables.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory.h"
#include "x86/page_table.h"

namespace vestibule::sevsim {

using x86::PageTable;
using x86::PageTableEntry;

namespace {

constexpr u64 table_flags = PageTableEntry::present | PageTableEntry::writable
                            | PageTableEntry::user | PageTableEntry::accessed;
constexpr u64 page_flags = table_flags | PageTableEntry::dirty;

/// The hole for legacy video memory is a device, not memory.
constexpr u64 video_begin = 0xA'0000;
constexpr u64 video_end   = 0xC'0000;

struct View {
    PageTable* pointers; // of the page directories, for the 512 GiB that the view covers
};

constinit u64 memory_size  = 0;
constinit u64 shared_pages = 0;
constinit View private_view{};
constinit View shared_view{};
constinit PageTable* long_root      = nullptr;
constinit PageTable* legacy_root    = nullptr;
constinit PageTable* long_root_nx   = nullptr;
constinit PageTable* legacy_root_nx = nullptr;

PageTable* new_table() { return static_cast<PageTable*>(allocate_pages(1)); }

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

/// The entry for the 2 MiB, or with `split` for the 4 KiB, around a guest-physical address.
PageTableEntry& directory_entry(View view, u64 gpa) {
    return next_table(*view.pointers, x86::table_index(gpa, 3))->entry[x86::table_index(gpa, 2)];
}

PageTableEntry& page_entry(View view, u64 gpa) {
    PageTable* directory = next_table(*view.pointers, x86::table_index(gpa, 3));
    return next_table(*directory, x86::table_index(gpa, 2))->entry[x86::table_index(gpa, 1)];
}

/// Noise that depends on place and view (splitmix64, public domain constants).
void fill_with_noise(void* memory, u64 size, u64 seed) {
    auto* words = static_cast<u64*>(memory);
    for (u64 n = 0; n < size / sizeof(u64); ++n) {
        seed += 0x9E37'79B9'7F4A'7C15;
        u64 mixed = (seed ^ (seed >> 30)) * 0xBF58'476D'1CE4'E5B9;
        mixed     = (mixed ^ (mixed >> 27)) * 0x94D0'49BB'1331'11EB;
        words[n]  = mixed ^ (mixed >> 31);
    }
}

constexpr u64 private_seed = 0x5052'4956'4154'4500;
constexpr u64 shared_seed  = 0x5348'4152'4544'0000;

/// Makes the 2 MiB around `gpa` there in the private view. The first 2 MiB go page by page, since
/// the video hole is among them.
void map_private(u64 gpa) {
    const u64 block = gpa & ~(x86::large_page_size - 1);
    u8* const bytes = layout::at_physical(layout::private_base + block);
    if (block != 0) {
        PageTableEntry& entry = directory_entry(private_view, block);
        if (!entry.is_present()) {
            fill_with_noise(bytes, x86::large_page_size, private_seed ^ block);
            entry.value = (layout::private_base + block) | page_flags | PageTableEntry::large;
        }
        return;
    }
    if (page_entry(private_view, 0).is_present()) {
        return;
    }
    fill_with_noise(bytes, x86::large_page_size, private_seed);
    for (u64 page = 0; page < x86::large_page_size; page += page_size) {
        if (page < video_begin || page >= video_end) {
            page_entry(private_view, page).value = (layout::private_base + page) | page_flags;
        }
    }
}

/// Makes the page at `gpa` there in the shared view, as data: instructions are never fetched from
/// shared memory.
void map_shared(u64 gpa) {
    const u64 page        = gpa & ~(page_size - 1);
    PageTableEntry& entry = page_entry(shared_view, page);
    if (!entry.is_present()) {
        fill_with_noise(layout::at_physical(page), page_size, shared_seed ^ page);
        entry.value = page | page_flags | PageTableEntry::no_execute;
    }
}

/// A walk or a fetch through a mapping without the C-bit: the CPU treats both as private, so this
/// page of the shared view shows the private one.
/// Limit: a page that serves first as shared data and then as a table, or the reverse, shows one
/// face only.
void alias_private(u64 gpa) {
    const u64 page = gpa & ~(page_size - 1);
    map_private(page);
    page_entry(shared_view, page).value = (layout::private_base + page) | page_flags;
}

PageTable* no_execute_copy(const PageTable& root) {
    PageTable* copy = new_table();
    for (unsigned n = 0; n < 512; ++n) {
        if (root.entry[n].is_present()) {
            copy->entry[n].value = root.entry[n].value | PageTableEntry::no_execute;
        }
    }
    return copy;
}

} // namespace

void build_nested_tables(const Options& options) {
    memory_size           = options.memory;
    private_view.pointers = new_table();
    shared_view.pointers  = new_table();
    long_root             = new_table();
    legacy_root           = new_table();
    if (options.platform == Platform::native) {
        // One view, the machine's own: memory and devices at their addresses.
        for (u64 gigabyte = 0; gigabyte < 4; ++gigabyte) {
            shared_view.pointers->entry[gigabyte].value =
                (gigabyte << 30) | page_flags | PageTableEntry::large;
        }
        long_root->entry[0].value   = layout::physical(shared_view.pointers) | table_flags;
        legacy_root->entry[0].value = long_root->entry[0].value;
    } else {
        const u64 private_half      = layout::physical(private_view.pointers) | table_flags;
        const u64 shared_half       = options.hostile.lie == Lie::cbit_no_effect
                                          ? private_half
                                          : layout::physical(shared_view.pointers) | table_flags;
        const u64 c_bit             = bit(options.c_bit_position);
        long_root->entry[0].value   = shared_half;
        legacy_root->entry[0].value = private_half;
        long_root->entry[x86::table_index(c_bit, 4)].value = private_half;
        if (options.hostile.lie == Lie::cbit_position) { // Vcpu::without_c_bit
            const u64 wrong = bit(options.wrong_c_bit_position());
            long_root->entry[x86::table_index(wrong, 4)].value = shared_half;
        }
    }
    long_root_nx   = no_execute_copy(*long_root);
    legacy_root_nx = no_execute_copy(*legacy_root);
}

u64 nested_root(Vcpu& vcpu, bool no_execute_twin) {
    if (vcpu.is_long_mode()) {
        return layout::physical(no_execute_twin ? long_root_nx : long_root);
    }
    return layout::physical(no_execute_twin ? legacy_root_nx : legacy_root);
}

bool is_guest_memory(u64 gpa) {
    return gpa < memory_size && (gpa < video_begin || gpa >= video_end);
}

NestedFault resolve_nested_fault(Vcpu& vcpu, u64 exitinfo1, u64 gpa) {
    const u64 address = vcpu.without_c_bit(gpa);
    const bool fetch  = (exitinfo1 & nested_fault::fetch) != 0;
    const bool walk   = (exitinfo1 & nested_fault::guest_table) != 0;
    if (vcpu.options.platform == Platform::native || !is_guest_memory(address)) {
        return fetch || walk ? NestedFault::fetch_from_device : NestedFault::mmio;
    }
    const bool is_private = !vcpu.is_long_mode() || (gpa & vcpu.c_bit()) != 0
                            || vcpu.options.hostile.lie == Lie::cbit_no_effect;
    if (is_private) {
        map_private(address);
    } else if (fetch || walk) {
        alias_private(address);
    } else {
        if (!page_entry(shared_view, address).is_present()) {
            ++shared_pages;
        }
        map_shared(address);
    }
    return NestedFault::resolved;
}

u8* private_memory(u64 gpa) {
    if (!is_guest_memory(gpa)) {
        return nullptr;
    }
    map_private(gpa);
    return layout::at_physical(layout::private_base + gpa);
}

u8* shared_memory(u64 gpa) {
    if (!is_guest_memory(gpa)) {
        return nullptr;
    }
    map_shared(gpa);
    return layout::at_physical(gpa);
}

u64 shared_page_count() { return shared_pages; }

} // namespace vestibule::sevsim
