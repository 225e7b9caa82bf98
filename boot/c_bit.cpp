// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/c_bit.h"

#include "boot/fatal.h"
#include "boot/image.h"
#include "boot/random.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

namespace vestibule::boot {

using x86::PageTable;
using x86::PageTableEntry;

namespace {

constinit PageTable probe_table{};
alignas(page_size) constinit u64 probe_page[page_size / sizeof(u64)]{};

/// The one page of tables that the stub was entered on: PML4, page-directory-pointer table and page
/// directory at once (boot/initial_tables.h).
PageTable& initial_tables() { return *reinterpret_cast<PageTable*>(image_start); }

u64 read(u64 linear) { return *reinterpret_cast<const volatile u64*>(linear); }

} // namespace

u64 measured_c_bit() {
    const u64 base             = address_of(image_start);
    const PageTableEntry entry = initial_tables().entry[x86::table_index(base, 2)];
    return entry.value & PageTableEntry::address_mask & ~base;
}

// SECURITY: a hypervisor that has the guest use a wrong C-bit gets its data in plain text. Two
// facts about the CPU make a proof possible (APM volume 2, section 15.34.5): a page walk is private
// whatever the entries say, and so is an instruction fetch.
//
//  1. A page table is written through the mapping in question and then walked. The walk finds what
//     was written only if the mapping is private as well: otherwise it decrypts what the hypervisor
//     saw in plain text, and that is noise.
//  2. A random number is written through the mapping. Read back through an alias with the C-bit it
//     must be there; through an alias without it, it must not.
//
// Under SNP the second alias would be a nested page fault; there the RMP does this job.
void prove_c_bit(u64 c_bit) {
    constexpr u64 flags = PageTableEntry::present | PageTableEntry::writable;

    // A free slot of the page directory: its neighbours are the image's and the self-references.
    const u64 base      = address_of(image_start);
    const unsigned slot = x86::table_index(base, 2) == 511 ? 510 : 511;
    const u64 page      = address_of(probe_page);

    probe_table.entry[0].value = page | flags | c_bit;
    probe_table.entry[1].value = page | flags;

    volatile u64& hook      = initial_tables().entry[slot].value;
    const u64 with_c_bit    = (base & ~(bit(30) - 1)) | (u64{slot} << 21);
    const u64 without_c_bit = with_c_bit + page_size;
    hook                    = address_of(&probe_table) | flags | c_bit;

    u64 secret = 0;
    if (!random_number<x86::Cpu>(secret)) {
        fail(ghcb::reason::no_random_number);
    }
    *const_cast<volatile u64*>(&probe_page[0]) = secret;
    const bool proved = read(with_c_bit) == secret && read(without_c_bit) != secret;

    // Both aliases go before their page can serve for anything else; loading the stub's own page
    // tables, which comes next, drops them from the TLB.
    hook                                       = 0;
    *const_cast<volatile u64*>(&probe_page[0]) = 0;
    if (!proved) {
        fail(ghcb::reason::c_bit_not_private);
    }
}

} // namespace vestibule::boot
