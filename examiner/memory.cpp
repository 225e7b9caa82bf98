// SPDX-License-Identifier: BSD-2-Clause-Patent
// See machine.h: the stub's page tables go on being used, and the large page around what changes is
// split on the way. Its tables are private and writable.
#include "examiner/conversation.h"
#include "examiner/machine.h"
#include "x86/page_table.h"
#include "x86/registers.h"

namespace vestibule::examiner {

namespace {

using x86::Cpu;
using x86::PageTable;
using x86::PageTableEntry;

alignas(page_size) constinit u8 arena[arena_pages * page_size]{};

/// Of the large pages that are split: the arena's, those of the large block, GHCB pages.
constexpr u64 most_tables = 6;
constinit PageTable tables[most_tables]{};
constinit u64 tables_used = 0;

u64 address_in(u64 entry) { return entry & PageTableEntry::address_mask & ~info().c_bit; }

/// The same memory, by 4 KiB.
bool split(u64& entry) {
    if (tables_used == most_tables) {
        return false;
    }
    PageTable& table = tables[tables_used++];
    const u64 flags  = entry & ~PageTableEntry::address_mask & ~PageTableEntry::large;
    const u64 base   = entry & PageTableEntry::address_mask & ~(x86::large_page_size - 1);
    for (u64 n = 0; n < 512; ++n) {
        table.entry[n].value = (base + n * page_size) | flags;
    }
    entry = reinterpret_cast<u64>(&table) | info().c_bit | PageTableEntry::present
            | PageTableEntry::writable | PageTableEntry::accessed;
    return true;
}

u64* leaf_of(u64 linear) {
    u64 table      = address_in(Cpu::cr3());
    unsigned level = (Cpu::cr4() & x86::cr4::la57) != 0 ? 5 : 4;
    for (;; --level) {
        u64& entry =
            reinterpret_cast<PageTable*>(table)->entry[x86::table_index(linear, level)].value;
        if (level == 1) {
            return &entry;
        }
        if ((entry & PageTableEntry::large) != 0 && !split(entry)) {
            return nullptr;
        }
        table = address_in(entry);
    }
}

} // namespace

u64 arena_gpa(u64 number) { return reinterpret_cast<u64>(arena) + number * page_size; }

volatile u64& arena_word(u64 number, u64 index) {
    return *reinterpret_cast<volatile u64*>(arena_gpa(number) + index * sizeof(u64));
}

void clear_arena_page(u64 number) {
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        arena_word(number, n) = 0;
    }
}

/// Free and accepted: the last whole one of what is RAM below 4 GiB and nobody's.
u64 large_block() {
    constexpr u64 size    = x86::large_page_size;
    constexpr u64 limit   = u64{4} << 30;
    const auto* const ram = reinterpret_cast<const vestibule_memory_range*>(info().ram);
    const auto overlaps   = [](u64 block, u64 base, u64 bytes) {
        return bytes != 0 && base < block + size && base + bytes > block;
    };
    u64 found = 0;
    for (u64 n = 0; n < info().ram_count; ++n) {
        const u64 end = (ram[n].base + ram[n].size) & ~(size - 1);
        for (u64 block = end < limit ? end : limit; block >= ram[n].base + 2 * size;) {
            block -= size;
            if (!overlaps(block, info().payload_base, info().payload_size)
                && !overlaps(block, info().image_base, info().image_size)
                && !overlaps(block, info().secrets_page, page_size)
                && !overlaps(block, info().cpuid_page, page_size) && block > found) {
                found = block;
                break;
            }
        }
    }
    return found;
}

void map_page(u64 gpa, bool is_private) {
    u64* const entry = leaf_of(gpa);
    if (entry == nullptr) {
        return;
    }
    *entry = is_private ? *entry | info().c_bit : *entry & ~info().c_bit;
    Cpu::set_cr3(Cpu::cr3());
}

u64 pvalidate(u64 gpa, bool is_large, bool validate) {
    const x86::RmpResult result =
        Cpu::pvalidate(gpa, is_large ? x86::RmpPageSize::large : x86::RmpPageSize::small, validate);
    return result.code | (result.unchanged ? pvalidate_unchanged : 0);
}

bool make_shared(u64 gpa) {
    constexpr u64 to_shared = u64{2} << 52;
    if (is_snp()
        && (pvalidate(gpa, false, false) != 0
            || exchange(gpa | to_shared | msr::page_state) != msr::reply_to(msr::page_state))) {
        return false;
    }
    map_page(gpa, false);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        reinterpret_cast<volatile u64*>(gpa)[n] = 0;
    }
    return true;
}

bool make_private(u64 gpa) {
    constexpr u64 to_private = u64{1} << 52;
    if (is_snp()
        && exchange(gpa | to_private | msr::page_state) != msr::reply_to(msr::page_state)) {
        return false;
    }
    map_page(gpa, true);
    if (is_snp() && pvalidate(gpa, false, true) != 0) {
        return false;
    }
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        reinterpret_cast<volatile u64*>(gpa)[n] = 0;
    }
    return true;
}

} // namespace vestibule::examiner
