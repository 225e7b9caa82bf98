// SPDX-License-Identifier: BSD-2-Clause-Patent
// A payload has to reach devices before it has page tables of its own.
#pragma once

#include "boot/hand_over/header.h"
#include "x86/page_table.h"

namespace vestibule::boot {

namespace device_memory {

constexpr u64 first_address = u64{3} << 30;

/// UEFI specification 2.10, section 7.2: what counts of a descriptor.
struct EfiDescriptor {
    u32 type;
    u32 padding;
    u64 base;
    u64 linear;
    u64 pages;
};

constexpr u32 efi_mmio       = 11;
constexpr u32 efi_port_space = 12;

constexpr bool reaches(u64 at, u64 base, u64 size) {
    return base < at + x86::large_page_size && base + size > at;
}

/// SECURITY: what is mapped shared goes to the hypervisor in plain text. In doubt it is memory.
[[clang::minsize]] inline bool is_memory(const BootInfo& info, u64 at) {
    if (reaches(at, info.payload_base, info.payload_size)
        || reaches(at, info.initrd, info.initrd_size)) {
        return true;
    }
    const auto* ram = reinterpret_cast<const MemoryRange*>(info.ram);
    for (u64 n = 0; n < info.ram_count; ++n) {
        if (reaches(at, ram[n].base, ram[n].size)) {
            return true;
        }
    }
    for (u64 offset = 0; offset < info.efi_memory_map_size; offset += info.efi_descriptor_size) {
        const auto& entry = *reinterpret_cast<const EfiDescriptor*>(info.efi_memory_map + offset);
        if (entry.type != efi_mmio && entry.type != efi_port_space
            && reaches(at, entry.base, entry.pages * page_size)) {
            return true;
        }
    }
    return false;
}

} // namespace device_memory

/// Takes the C-bit from the stub's mapping of 3 to 4 GiB, where a PC has its APICs, but for what is
/// RAM there as far as anyone has said.
template <class Cpu>
[[clang::minsize]] void share_device_memory(const BootInfo& info) {
    using x86::PageTable;
    using x86::PageTableEntry;
    const u64 addresses = PageTableEntry::address_mask & ~info.c_bit;
    const u64 root      = Cpu::cr3();
    // PML4, its first entry's table, and that one's fourth: the directory for 3 to 4 GiB.
    u64 table       = root & addresses;
    table           = reinterpret_cast<const PageTable*>(table)->entry[0].value & addresses;
    table           = reinterpret_cast<const PageTable*>(table)->entry[3].value & addresses;
    auto& directory = *reinterpret_cast<PageTable*>(table);
    u64 at          = device_memory::first_address;
    for (PageTableEntry& entry : directory.entry) {
        // The stub's own 2 MiB have a table of their own. Nothing was read or written here yet, so
        // no cache line has anything of it.
        if ((entry.value & PageTableEntry::large) != 0 && !device_memory::is_memory(info, at)) {
            entry.value &= ~info.c_bit;
        }
        at += x86::large_page_size;
    }
    Cpu::set_cr3(root);
}

} // namespace vestibule::boot
