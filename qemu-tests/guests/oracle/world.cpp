// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "qemu-tests/guests/oracle/world.h"

#include "boot/image.h"
#include "qemu-tests/guests/oracle/machine.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

namespace vestibule::oracle {

using boot::address_of;
using x86::PageTable;
using x86::PageTableEntry;

namespace {

struct Pages {
    PageTable arena;
    PageTable lowest;  // 2 MiB
    PageTable highest; // 2 MiB below 4 GiB
    PageTable high_pointers;
    PageTable code;
    PageTable memory[memory::page_count];
};

constinit Pages pages{};

/// IST 1, for what ends a snippet, and IST 2, for #VC.
constinit u8 stacks[2][2 * page_size]{};

/// APM volume 2, section 12.2.5; then the I/O permission bitmap, in which a zero allows.
struct [[gnu::packed]] Task {
    u32 reserved_0;
    u64 rsp[3];
    u64 reserved_1;
    u64 ist[7];
    u64 reserved_2;
    u16 reserved_3;
    u16 bitmap_offset;
    u8 bitmap[(port_text / 8) + 2];
};

constinit Task task{};
constinit u64 gdt[selector::end / sizeof(u64)]{};
constinit x86::InterruptGate idt[vectors]{};

/// Access bytes, all with the accessed bit set, and the flags above the limit.
constexpr u64 kernel_code = 0x9B;
constexpr u64 kernel_data = 0x93;
constexpr u64 user_code   = 0xFB;
constexpr u64 user_data   = 0xF3;
constexpr u64 task_access = 0x89;
constexpr u64 flat        = 0x8; // granularity: 4 KiB
constexpr u64 wide        = 0x4; // default size: 32 bits
constexpr u64 is_64bit    = 0x2;

constexpr u64 descriptor(u64 base, u64 limit, u64 access, u64 flags) {
    return (limit & 0xFFFF) | ((base & 0xFF'FFFF) << 16) | (access << 40)
           | ((limit & 0xF'0000) << 32) | (flags << 52) | ((base & 0xFF00'0000) << 32);
}

void set_segment(u16 selector, u64 base, u64 access, u64 flags) {
    const u64 limit   = (flags & flat) != 0 ? 0xF'FFFF : 0xFFFF;
    gdt[selector / 8] = descriptor(base, limit, access, flags);
}

void load_segments() {
    set_segment(selector::kernel_code64, 0, kernel_code, flat | is_64bit);
    set_segment(selector::kernel_data, 0, kernel_data, flat | wide);
    set_segment(selector::kernel_code32, 0, kernel_code, flat | wide);
    set_segment(selector::kernel_code16, arena, kernel_code, 0);
    set_segment(selector::kernel_code32_based, arena, kernel_code, flat | wide);
    set_segment(selector::user_code64, 0, user_code, flat | is_64bit);
    set_segment(selector::user_data, 0, user_data, flat | wide);
    set_segment(selector::user_code32, 0, user_code, flat | wide);
    set_segment(selector::user_code16, arena, user_code, 0);
    set_segment(selector::data16, segment16, user_data, 0);
    set_segment(selector::data_based, data + page_size, user_data, flat | wide);
    set_segment(selector::data_device, device, user_data, flat | wide);
    set_segment(selector::kernel_stack16, segment16, kernel_data, 0);
    gdt[selector::task / 8]     = descriptor(address_of(&task), sizeof(Task) - 1, task_access, 0);
    gdt[selector::task / 8 + 1] = address_of(&task) >> 32;
    x86::Cpu::lgdt({.limit = sizeof(gdt) - 1, .base = address_of(gdt)});

    task.rsp[0]        = supervisor + page_size;
    task.ist[0]        = address_of(stacks[1]);
    task.ist[1]        = address_of(stacks[1]) + sizeof(stacks[1]);
    task.bitmap_offset = offsetof(Task, bitmap);
    for (u8& byte : task.bitmap) {
        const_cast<volatile u8&>(byte) = 0xFF;
    }
    asm volatile("ltr %0" : : "r"(selector::task));
}

void load_gates() {
    constexpr u8 user_gate = 0xEE; // INT3 at CPL 3
    for (unsigned vector = 0; vector < vectors; ++vector) {
        const bool is_vc = vector == x86::exception::vmm_communication;
        const u64 target = is_vc ? address_of(oracle_vc_entry)
                                 : address_of(recorder_entries) + vector * entry_stride;
        idt[vector]      = x86::InterruptGate::to(target, selector::kernel_code64);
        idt[vector].ist  = is_vc ? 2 : 1;
        if (vector == 3) {
            idt[vector].type = user_gate;
        }
    }
    x86::Cpu::lidt({.limit = sizeof(idt) - 1, .base = address_of(idt)});
}

constexpr u64 table_flags = PageTableEntry::present | PageTableEntry::writable
                            | PageTableEntry::user | PageTableEntry::accessed;
constexpr u64 kernel_page = PageTableEntry::present | PageTableEntry::writable
                            | PageTableEntry::accessed | PageTableEntry::dirty
                            | PageTableEntry::no_execute;
constexpr u64 user_page = kernel_page | PageTableEntry::user;

void map(u64 linear, const void* page, u64 flags, u64 c_bit) {
    pages.arena.entry[x86::table_index(linear, 1)].value = address_of(page) | flags | c_bit;
}

void map_device(u64 linear, u64 gpa, u64 flags) {
    pages.arena.entry[x86::table_index(linear, 1)].value =
        (gpa & PageTableEntry::address_mask) | flags;
}

PageTable& table_at(PageTableEntry entry, u64 c_bit) {
    return *reinterpret_cast<PageTable*>(entry.address(c_bit));
}

void load_tables(u64 c_bit) {
    PageTable* const memory = pages.memory;
    map(code_page, &pages.code,
        PageTableEntry::present | PageTableEntry::user | PageTableEntry::accessed, c_bit);
    map(data, &memory[0], user_page, c_bit);
    map(data + page_size, &memory[1], user_page, c_bit);
    map(read_only, &memory[2], user_page & ~PageTableEntry::writable, c_bit);
    map(supervisor, &memory[3], kernel_page, c_bit);
    map(segment16, &memory[4], user_page, c_bit);
    map(segment16 + 0xF000, &memory[5], user_page, c_bit);
    map_device(device, device_gpa, kernel_page);
    map_device(device + page_size, device_gpa + page_size, kernel_page);
    map_device(device_read_only, device_gpa, kernel_page & ~PageTableEntry::writable);
    for (u64 n = 1; n < 512; ++n) { // the rest of what was a large page
        pages.lowest.entry[n].value = n * page_size | kernel_page | c_bit;
    }
    pages.lowest.entry[0].value    = address_of(&memory[6]) | kernel_page | c_bit;
    pages.highest.entry[511].value = address_of(&memory[7]) | kernel_page | c_bit;

    // Into the stub's tables.
    PageTable& root     = table_at({x86::Cpu::cr3()}, c_bit);
    PageTable& pointers = table_at(root.entry[0], c_bit);
    const auto enter    = [&](u64 linear, const PageTable& table) {
        PageTable& directory = table_at(pointers.entry[x86::table_index(linear, 3)], c_bit);
        directory.entry[x86::table_index(linear, 2)].value =
            address_of(&table) | table_flags | c_bit;
    };
    enter(arena, pages.arena);
    enter(first_page, pages.lowest);
    enter(last_page, pages.highest);
    PageTableEntry& arenas = pointers.entry[x86::table_index(arena, 3)];
    root.entry[0].value |= PageTableEntry::user;
    arenas.value |= PageTableEntry::user;
    pages.high_pointers.entry[x86::table_index(upper_arena_offset + arena, 3)] = arenas;
    root.entry[x86::table_index(upper_arena_offset, 4)].value =
        address_of(&pages.high_pointers) | table_flags | c_bit;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
}

} // namespace

namespace memory {

Page page(unsigned number) {
    u64 address = 0;
    switch (number) {
    case 0: address = data; break;
    case 1: address = data + page_size; break;
    case 2: address = read_only; break;
    case 3: address = supervisor; break;
    case 4: address = segment16; break;
    case 5: address = segment16 + 0xF000; break;
    case 6: address = first_page; break;
    default: address = last_page; break;
    }
    return {.words = reinterpret_cast<volatile u64*>(&pages.memory[number]), .address = address};
}

} // namespace memory

void build_world(u64 c_bit) {
    load_segments();
    load_gates();
    load_tables(c_bit);
}

u64 place_code(const u8* code, unsigned length, bool at_page_end, bool for_user) {
    u64& entry = pages.arena.entry[x86::table_index(code_page, 1)].value;
    entry      = for_user ? entry | PageTableEntry::user : entry & ~PageTableEntry::user;
    asm volatile("invlpg (%0)" : : "r"(code_page) : "memory");
    auto* bytes        = reinterpret_cast<volatile u8*>(&pages.code);
    const u64 offset   = at_page_end ? page_size - length : 0;
    const u64 to_place = at_page_end ? length : length + 1; // INT3 behind it
    for (u64 n = 0; n < to_place; ++n) {
        bytes[offset + n] = code[n];
    }
    return code_page + offset;
}

void allow_ports(bool allowed) {
    const auto set = [&](u16 first, u16 count) {
        for (u16 port = first; port < first + count; ++port) {
            volatile u8& byte = task.bitmap[port / 8];
            const auto mask   = static_cast<u8>(1u << (port % 8));
            byte              = static_cast<u8>(allowed ? byte & ~mask : byte | mask);
        }
    };
    set(port_storage, 4);
    set(port_text, 1);
}

void use_interrupt_stack(bool used) {
    for (unsigned vector = 0; vector < vectors; ++vector) {
        if (vector != x86::exception::vmm_communication) {
            const_cast<volatile u8&>(idt[vector].ist) = used ? 1 : 0;
        }
    }
}

void fill_memory(const Devices& devices) {
    restore_memory(devices, [](Change) {});
}

} // namespace vestibule::oracle
