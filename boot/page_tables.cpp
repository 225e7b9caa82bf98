// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/page_tables.h"

#include "boot/image.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

namespace vestibule::boot {

using x86::PageTable;
using x86::PageTableEntry;

namespace {

constexpr unsigned gigabytes_mapped = 4;

struct Tables {
    PageTable pml4;
    PageTable directory_pointers;
    PageTable directory[gigabytes_mapped];
    PageTable image; // the 2 MiB around the image, page by page
};

constinit Tables tables{};

constexpr u64 table_flags =
    PageTableEntry::present | PageTableEntry::writable | PageTableEntry::accessed;
constexpr u64 memory_flags = table_flags | PageTableEntry::dirty;

/// Rights of a page of the image's region: code is read and executed, all else read and written.
/// The tables that the vCPU was started on are only read any more (measured_c_bit), and the guard
/// below the stack has no rights at all.
u64 image_page_flags(u64 page) {
    if (page == address_of(image_start)) {
        return PageTableEntry::present | PageTableEntry::accessed | PageTableEntry::no_execute;
    }
    if (page == address_of(stack_guard)) {
        return 0;
    }
    if (page >= address_of(text_start) && page < address_of(text_end)) {
        return PageTableEntry::present | PageTableEntry::accessed;
    }
    return memory_flags | PageTableEntry::no_execute;
}

} // namespace

void load_page_tables(u64 c_bit) {
    const u64 region = address_of(image_start); // 2 MiB aligned
    for (u64 n = 0; n < 512; ++n) {
        const u64 page  = region + n * page_size;
        const u64 flags = image_page_flags(page);
        if (flags != 0) {
            tables.image.entry[n].value = page | flags | c_bit;
        }
    }
    for (u64 n = 0; n < u64{gigabytes_mapped} * 512; ++n) {
        const u64 address = n * x86::large_page_size;
        const u64 value   = address == region ? address_of(&tables.image) | table_flags
                                              : address | memory_flags | PageTableEntry::large;
        tables.directory[n / 512].entry[n % 512].value = value | c_bit;
    }
    for (u64 n = 0; n < gigabytes_mapped; ++n) {
        tables.directory_pointers.entry[n].value =
            address_of(&tables.directory[n]) | table_flags | c_bit;
    }
    tables.pml4.entry[0].value = address_of(&tables.directory_pointers) | table_flags | c_bit;
    x86::Cpu::set_cr3(address_of(&tables.pml4) | c_bit);
}

void share_page(void* page, u64 c_bit) {
    // The CPU may tag cache lines with the C-bit: what is left of the private view must not be
    // written back over the shared one later (APM volume 2, section 15.34.9).
    constexpr u64 cache_line = 64;
    for (u64 offset = 0; offset < page_size; offset += cache_line) {
        x86::Cpu::flush_cache_line(static_cast<u8*>(page) + offset);
    }
    const u64 index = (address_of(page) - address_of(image_start)) / page_size;
    tables.image.entry[index].value &= ~c_bit;
    x86::Cpu::set_cr3(address_of(&tables.pml4) | c_bit);
}

} // namespace vestibule::boot
