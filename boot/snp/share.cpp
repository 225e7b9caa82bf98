// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/snp/share.h"

#include "boot/fatal.h"
#include "boot/snp/vmpl.h"
#include "x86/page_table.h"

namespace vestibule::boot {

using x86::Cpu;

void take_back(u64 page) {
    constexpr u64 cache_line = 64;
    for (u64 offset = 0; offset < page_size; offset += cache_line) {
        Cpu::flush_cache_line(reinterpret_cast<const u8*>(page) + offset);
    }
    const ghcb::Outcome rescinded = set_validated({page, page + page_size}, false);
    if (!rescinded.is_done()) {
        fail(rescinded.reason);
    }
}

void map_shared(u64 page, u64 c_bit) {
    const u64 root = Cpu::cr3();
    const u64 bits = x86::PageTableEntry::address_mask & ~c_bit;
    u64 table      = root & bits;
    unsigned level = 4;
    for (; level > 1; --level) {
        table = reinterpret_cast<const x86::PageTable*>(table)
                    ->entry[x86::table_index(page, level)]
                    .value
                & bits;
    }
    reinterpret_cast<x86::PageTable*>(table)->entry[x86::table_index(page, 1)].value &= ~c_bit;
    Cpu::set_cr3(root);
}

} // namespace vestibule::boot
