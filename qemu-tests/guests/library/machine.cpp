// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "qemu-tests/guests/library/machine.h"

#include "boot/image.h"
#include "boot/interrupts.h"
#include "boot/ports.h"
#include "ghcb/termination.h"

using namespace vestibule;
using boot::address_of;
using x86::PageTableEntry;

#pragma GCC visibility push(hidden)
extern "C" {
extern u8 exception_entries[]; // boot/exceptions.asm
void exception_handler(vc::Frame& frame, u32 vector);
extern u8 leave_user_entry[]; // user.asm
extern u8 interrupt_entries[];
[[noreturn]] void unmeant_interrupt(u32 vector);
}
#pragma GCC visibility pop

namespace vestibule::guests {

constinit Machine machine{};

namespace {

constexpr u8 leave_user    = 0x80;
constexpr u8 machine_check = 18;
constexpr unsigned vectors = sizeof(machine.idt) / sizeof(machine.idt[0]);
constinit unsigned wrong   = 0;

struct Tables {
    x86::PageTable pml4;
    x86::PageTable directory_pointers;
    x86::PageTable directory;
    x86::PageTable image;
};

constinit Tables tables{};
constinit Tables shadow{};
constinit Tables elsewhere{}; // but for its first one

constexpr u64 used = PageTableEntry::present | PageTableEntry::writable | PageTableEntry::accessed
                     | PageTableEntry::dirty;

void make_segments() {
    // Read, not folded: linker/stub.ld wants the table itself, and would take the stub's.
    const volatile u64* stub = &boot::stub_gdt[0].value;
    for (unsigned n = 0; n < 4; ++n) {
        machine.gdt[n].value = stub[n];
    }
    constexpr u64 dpl3               = u64{3} << 45;
    machine.gdt[user_code32 / 8]     = {x86::code32_segment.value | dpl3};
    machine.gdt[user_data / 8]       = {x86::data_segment.value | dpl3};
    machine.gdt[user_code64 / 8]     = {x86::code64_segment.value | dpl3};
    machine.task.rsp[0]              = end_of(machine.kernel_stack);
    machine.task.ist[fault_ist - 1U] = end_of(machine.fault_stack);
    machine.task.io_map_base         = sizeof(x86::TaskState); // none
    x86::Cpu::lgdt({.limit = sizeof(machine.gdt) - 1, .base = address_of(machine.gdt)});
}

void make_gates() {
    for (unsigned vector = 0; vector < x86::exception::count; ++vector) {
        machine.idt[vector] = x86::InterruptGate::to(address_of(exception_entries)
                                                         + vector * boot::exception_entry_stride,
                                                     boot::code64_selector);
    }
    for (unsigned vector = x86::exception::count; vector < vectors; ++vector) {
        const u64 entry = address_of(interrupt_entries)
                          + u64{vector - x86::exception::count} * boot::exception_entry_stride;
        machine.idt[vector] = x86::InterruptGate::to(entry, boot::code64_selector);
    }
    vestibule_set_gate(machine.idt, x86::exception::vmm_communication, vestibule_early_entry,
                       boot::code64_selector, 0);
    machine.idt[leave_user] =
        x86::InterruptGate::to(address_of(leave_user_entry), boot::code64_selector);
    machine.idt[leave_user].type |= 3 << 5; // DPL
    x86::Cpu::lidt({.limit = sizeof(machine.idt) - 1, .base = address_of(machine.idt)});
}

/// The image's 2 MiB as they are, private but for the GHCB page.
void load_page_tables(u64 c_bit) {
    const u64 base = address_of(image_start);
    for (u64 n = 0; n < 512; ++n) {
        tables.image.entry[n].value = (base + n * page_size) | used | c_bit;
    }
    for (u64 at = 0; at < page_size; at += 64) {
        x86::Cpu::flush_cache_line(machine.ghcb + at);
    }
    entry_of(machine.ghcb).value &= ~c_bit;
    entry_of(machine.user_code).value |= PageTableEntry::user;
    entry_of(machine.user_stack).value |= PageTableEntry::user;
    const u64 table = used | PageTableEntry::user | c_bit;
    tables.pml4.entry[x86::table_index(base, 4)].value =
        address_of(&tables.directory_pointers) | table;
    tables.directory_pointers.entry[x86::table_index(base, 3)].value =
        address_of(&tables.directory) | table;
    tables.directory.entry[x86::table_index(base, 2)].value = address_of(&tables.image) | table;
    x86::Cpu::set_cr3(address_of(&tables.pml4) | c_bit);
}

x86::PageTable& next(x86::PageTable& table, u64 linear, unsigned level, x86::PageTable& further) {
    constexpr u64 rights = used | PageTableEntry::user;
    table.entry[x86::table_index(linear, level)].value =
        address_of(&further) | rights | machine.platform.c_bit;
    return further;
}

} // namespace

u64 shadow_tables() {
    const auto* from = reinterpret_cast<const volatile u64*>(&tables);
    auto* to         = reinterpret_cast<volatile u64*>(&shadow);
    for (unsigned n = 0; n < sizeof(Tables) / sizeof(u64); ++n) {
        to[n] = from[n];
    }
    return address_of(&shadow) - address_of(&tables);
}

PageTableEntry& shadow_entry_of(const void* page) {
    return shadow.image.entry[(address_of(page) - address_of(image_start)) / page_size];
}

PageTableEntry& shadow_top_entry() {
    return shadow.pml4.entry[x86::table_index(address_of(image_start), 4)];
}

void map_for_user(u64 linear, const void* page) {
    x86::PageTable& pointers  = next(tables.pml4, linear, 4, elsewhere.directory_pointers);
    x86::PageTable& directory = next(pointers, linear, 3, elsewhere.directory);
    x86::PageTable& last      = next(directory, linear, 2, elsewhere.image);
    last.entry[x86::table_index(linear, 1)].value =
        address_of(page) | used | PageTableEntry::user | machine.platform.c_bit;
}

PageTableEntry& entry_of(const void* page) {
    return tables.image.entry[(address_of(page) - address_of(image_start)) / page_size];
}

void limit_task(unsigned io_map_bytes) {
    const u64 base            = address_of(&machine.task);
    const u64 limit           = sizeof(x86::TaskState) + io_map_bytes - 1;
    machine.gdt[task / 8]     = {limit | ((base & 0xFF'FFFF) << 16) | (u64{0x89} << 40)
                                 | ((base >> 24 & 0xFF) << 56)};
    machine.gdt[task / 8 + 1] = {base >> 32};
    asm volatile("ltr %0" : : "r"(task));
    // What comes from outside may come where RSP leads nowhere, and finds a stack all the same: by
    // its own gate, or by that of the #DF which it becomes.
    machine.idt[x86::exception::double_fault].ist = fault_ist;
    for (unsigned vector = x86::exception::count; vector < vectors; ++vector) {
        if (vector != leave_user) {
            machine.idt[vector].ist = fault_ist;
        }
    }
}

void unmap_guards() {
    constexpr u64 guards[] = {8192, 20480}; // as the public header says
    for (const u64 guard : guards) {
        entry_of(machine.cpu.opaque + guard).value &= ~PageTableEntry::present;
    }
    x86::Cpu::set_cr3(x86::Cpu::cr3());
}

void load_task() { limit_task(0); }

void start_machine() {
    start_machine_without_task();
    load_task();
}

void start_machine_without_task() {
    make_segments();
    make_gates();
#ifdef MEASURED_C_BIT // known beforehand: nobody is asked
    machine.platform.c_bit            = bit(MEASURED_C_BIT);
    machine.platform.protocol_version = 1;
#else
    if (const vestibule_reason reason = vestibule_identify(&machine.platform); reason != 0) {
        vestibule_terminate(reason);
    }
#endif
    load_page_tables(machine.platform.c_bit);
}

vestibule_setup good_setup() {
    return {.ghcb              = machine.ghcb,
            .ghcb_gpa          = address_of(machine.ghcb),
            .c_bit             = machine.platform.c_bit,
            .direct_map        = 0,
            .tss               = &machine.task,
            .vc_ist            = vc_ist,
            .nmi_ist           = 0,
            .physical_bits     = 0,
            .uses_xss          = 0,
            .kernel_code       = boot::code64_selector,
            .protocol_version  = machine.platform.protocol_version,
            .vmmcall_registers = 0,
            .guard_pages       = 0,
            .mc_ist            = 0,
            .fixes_up          = 1,
            .reserved          = 0,
            .user_may          = nullptr,
            .nmi               = nullptr,
            .mc                = nullptr,
            .opaque            = nullptr,
            .cpuid_table       = nullptr,
            .svsm              = nullptr};
}

void start_library(const vestibule_setup& setup) {
    if (const vestibule_reason reason = vestibule_cpu_start(&machine.cpu, &setup); reason != 0) {
        vestibule_terminate(reason);
    }
    vestibule_set_gate(machine.idt, x86::exception::vmm_communication, vestibule_vc_entry,
                       boot::code64_selector, setup.vc_ist);
    if (setup.nmi_ist != 0) {
        vestibule_set_gate(machine.idt, x86::exception::nmi, vestibule_nmi_entry,
                           boot::code64_selector, setup.nmi_ist);
    }
    if (setup.mc_ist != 0) {
        vestibule_set_gate(machine.idt, machine_check, vestibule_mc_entry, boot::code64_selector,
                           setup.mc_ist);
    }
}

void load_user_data() { asm volatile("mov %0, %%ds; mov %0, %%es" : : "r"(user_data)); }

u8 serve(vestibule_frame& frame, bool gs_is_swapped) {
    return vestibule_handle_vc(&machine.cpu, &frame, gs_is_swapped ? 1 : 0);
}

void say(const char* text) {
    for (; *text != '\0'; ++text) {
        x86::Cpu::out8(boot::port::com1, static_cast<u8>(*text));
    }
    x86::Cpu::out8(boot::port::com1, '\n');
}

void check(bool holds, const char* what) {
    if (!holds) {
        say(what);
        wrong += wrong < 100 ? 1 : 0;
    }
}

void end_run() {
    x86::Cpu::out8(boot::port::debug_exit, static_cast<u8>(wrong));
    x86::Cpu::halt();
}

} // namespace vestibule::guests

void unmeant_interrupt(u32 vector) {
    vestibule_terminate(static_cast<vestibule_reason>(ghcb::reason::set_exception << 8 | vector));
}

void exception_handler(vc::Frame& frame, u32 vector) {
    using guests::machine;
    if (vestibule_fix_up(static_cast<u8>(vector), &frame.rip) != 0) {
        ++machine.fixed_up;
        return;
    }
    if (machine.skip == 0 && machine.go_on == 0) {
        vestibule_terminate(
            static_cast<vestibule_reason>(ghcb::reason::set_exception << 8 | vector));
    }
    const u64 pushed = x86::exception::pushes_error_code(vector) ? address_of(&frame.error_code)
                                                                 : address_of(&frame.rip);
    ++machine.seen.count;
    machine.seen.vector      = vector;
    machine.seen.handler_rsp = pushed;
    // Word by word: the compiler would make a call to memcpy of it, which nobody has here.
    const auto* from = reinterpret_cast<const volatile u64*>(&frame);
    auto* to         = reinterpret_cast<volatile u64*>(&machine.seen.frame);
    for (unsigned n = 0; n < sizeof(vc::Frame) / sizeof(u64); ++n) {
        to[n] = from[n];
    }
    if (machine.go_on != 0) {
        frame.rip = machine.go_on;
        frame.cs  = machine.go_on_cs;
    } else {
        frame.rip += machine.skip;
    }
    machine.skip = machine.go_on = 0;
}
