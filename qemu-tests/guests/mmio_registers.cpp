// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a driver does all day: reads and writes of a device's 32-bit registers, mapped page by page
// as kernels map them. The budget of memory-mapped I/O (docs/budgets.md) is measured here.
#include "boot/boot_info.h"
#include "boot/interrupts.h"
#include "qemu-tests/guests/raw_call.h"
#include "x86/cpu.h"
#include "x86/page_table.h"

using namespace vestibule;

namespace {

// The HPET (IA-PC HPET specification, section 2.3.1).
constexpr u64 hpet         = 0xFED0'0000;
constexpr u64 capabilities = hpet + 0x000;
constexpr u64 comparator   = hpet + 0x108; // of timer 0, which never runs
constexpr unsigned times   = 200;

constinit x86::PageTable registers{};

x86::PageTable& table_behind(x86::PageTableEntry entry) {
    return *reinterpret_cast<x86::PageTable*>(entry.address(boot::vc_context().c_bit));
}

/// Maps the HPET's page by itself, shared.
void map_registers() {
    using x86::PageTableEntry;
    constexpr u64 flags   = PageTableEntry::present | PageTableEntry::writable;
    const u64 c_bit       = boot::vc_context().c_bit;
    x86::PageTable* table = &table_behind({x86::Cpu::cr3()});
    for (unsigned level = 4; level > 2; --level) {
        table = &table_behind(table->entry[x86::table_index(hpet, level)]);
    }
    registers.entry[x86::table_index(hpet, 1)].value = hpet | flags;
    table->entry[x86::table_index(hpet, 2)].value =
        reinterpret_cast<u64>(&registers) | flags | c_bit;
    x86::Cpu::set_cr3(x86::Cpu::cr3());
}

u32 read_register(u64 address) {
    u32 value;
    asm volatile("mov (%1), %0" : "=r"(value) : "r"(address));
    return value;
}

void write_register(u64 address, u32 value) {
    asm volatile("mov %0, (%1)" : : "r"(value), "r"(address) : "memory");
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo& /*info*/) {
    guests::Checks checks;
    map_registers();
    const u32 expected = read_register(capabilities);
    for (u32 n = 0; n < times; ++n) {
        write_register(comparator, n * 0x0101'0101);
        checks.that(read_register(comparator) == n * 0x0101'0101, "the comparator as written");
        checks.that(read_register(capabilities) == expected, "the capabilities");
    }
    checks.end();
}
