// SPDX-License-Identifier: BSD-2-Clause-Patent
// The kernel's own calls (include/vestibule/calls.h): each kind, what is refused, and in an NMI's
// handler that comes in the middle of one. Exit code 0 if all was as it should be.
#include "include/vestibule/calls.h"

#include "boot/image.h"
#include "ghcb/termination.h"
#include "library/per_cpu.h"
#include "qemu-tests/guests/library/machine.h"
#include "x86/exit_code.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

constexpr u16 scratch   = 0x81; // a DMA page register: keeps what is written
constexpr u16 com1      = 0x3F8;
constexpr u64 apic_id   = 0xFEE0'0020;
constexpr u64 apic_ldr  = 0xFEE0'00D0; // keeps bits 31:24
constexpr u32 no_leaf   = 0x8000'FF00;
constexpr u32 no_msr    = 0x1234'5678;
constexpr u16 argument  = static_cast<u16>(ghcb::reason::set_vestibule << 8 | 0x50);
constexpr u16 not_event = static_cast<u16>(ghcb::reason::set_vestibule << 8 | 0x26);
constexpr u16 asked_gp =
    static_cast<u16>(ghcb::reason::set_exception << 8 | x86::exception::general_protection);

alignas(page_size) constinit u8 table[page_size]{};
constinit volatile unsigned nmis         = 0;
constinit volatile bool wrong_in_handler = false;

/// Word by word: the compiler would make a call to memset of it, which nobody has here.
vestibule_call empty_call() {
    vestibule_call call;
    auto* words = reinterpret_cast<volatile u64*>(&call);
    for (unsigned n = 0; n < sizeof call / sizeof(u64); ++n) {
        words[n] = 0;
    }
    return call;
}

vestibule_call cpuid_call(u32 leaf) {
    vestibule_call call = empty_call();
    call.exit_code      = static_cast<u64>(x86::ExitCode::cpuid);
    call.reg[0]         = leaf;
    call.shown          = 1 << 0 | 1 << 1;
    call.wanted         = 0xF;
    return call;
}

bool makes(vestibule_call& call) { return vestibule_ghcb_call(&machine.cpu, &call) == 0; }

template <class Change>
void refuses(const char* what, Change change) {
    vestibule_call call = cpuid_call(0);
    change(call);
    check(vestibule_ghcb_call(&machine.cpu, &call) == argument, what);
}

void bad_arguments() {
    refuses("RSP shown", [](vestibule_call& c) { c.shown |= 1 << 4; });
    refuses("RBP wanted", [](vestibule_call& c) { c.wanted = 1 << 5; });
    refuses("an unknown field", [](vestibule_call& c) { c.fields = 0x10; });
    refuses("data out and no buffer", [](vestibule_call& c) { c.bytes_out = 1; });
    refuses("data in and no buffer", [](vestibule_call& c) { c.bytes_in = 1; });
    refuses("too much out", [](vestibule_call& c) {
        c.buffer    = table;
        c.bytes_out = VESTIBULE_BUFFER_SIZE + 1;
    });
    refuses("too much in", [](vestibule_call& c) {
        c.buffer   = table;
        c.bytes_in = VESTIBULE_BUFFER_SIZE + 1;
    });
    refuses("reserved", [](vestibule_call& c) { c.reserved[2] = 1; });
}

void any_event() {
    const x86::CpuidResult seen = x86::Cpu::cpuid(0);
    vestibule_call call         = cpuid_call(0);
    check(makes(call) && call.reg[0] == seen.eax && call.reg[1] == seen.ecx
              && call.reg[2] == seen.edx && call.reg[3] == seen.ebx,
          "CPUID by a call");

    vestibule_call read = empty_call();
    read.exit_code      = static_cast<u64>(x86::ExitCode::msr);
    read.reg[1]         = no_msr;
    read.shown          = 1 << 1;
    read.wanted         = 1 << 0 | 1 << 2;
    check(vestibule_ghcb_call(&machine.cpu, &read) == asked_gp, "#GP of RDMSR as a reason");

    vestibule_call unknown = empty_call();
    unknown.exit_code      = no_leaf;
    check(vestibule_ghcb_call(&machine.cpu, &unknown) == not_event, "an event that is none");

    // Memory-mapped I/O through the buffer, by hand.
    u8 bytes[4]         = {};
    vestibule_call mmio = empty_call();
    mmio.exit_code      = static_cast<u64>(x86::ExitCode::mmio_read);
    mmio.exitinfo1      = apic_ldr;
    mmio.exitinfo2      = sizeof bytes;
    mmio.buffer         = bytes;
    mmio.bytes_in       = sizeof bytes;
    vestibule_mmio_write(&machine.cpu, apic_ldr, 4, 0x5A00'0000);
    check(makes(mmio) && bytes[3] == 0x5A && bytes[0] == 0 && mmio.exitinfo2 == sizeof bytes,
          "MMIO read by a call");
    bytes[3]         = 0x3C;
    mmio.exit_code   = static_cast<u64>(x86::ExitCode::mmio_write);
    mmio.bytes_out   = sizeof bytes;
    mmio.bytes_in    = 0;
    const bool wrote = makes(mmio);
    check(wrote && vestibule_mmio_read(&machine.cpu, apic_ldr, 4) == 0x3C00'0000,
          "MMIO write by a call");
}

void machine_events() {
    u64 features = 0;
    check(vestibule_hypervisor_features(&machine.cpu, &features) == 0, "hypervisor features");
    u64 gpa = 1;
    check(vestibule_ap_jump_table(&machine.cpu, &gpa) == 0 && gpa == 0, "no AP jump table yet");
    const u64 ours = boot::address_of(table);
    check(vestibule_set_ap_jump_table(&machine.cpu, ours) == 0, "AP jump table set");
    check(vestibule_ap_jump_table(&machine.cpu, &gpa) == 0 && gpa == ours, "AP jump table");
    check(vestibule_set_ap_jump_table(&machine.cpu, ours + 1) != 0, "AP jump table astray");
}

void devices() {
    constexpr unsigned sizes[] = {1, 2, 4};
    for (const unsigned size : sizes) {
        vestibule_out(&machine.cpu, scratch, 1, 0xFFFF'FF00 | (0xA0 + size));
        check(vestibule_in(&machine.cpu, scratch, 1) == 0xA0 + size, "OUT and IN by calls");
    }
    check(vestibule_in(&machine.cpu, scratch, 2) == x86::Cpu::in16(scratch)
              && vestibule_in(&machine.cpu, scratch, 4) == x86::Cpu::in32(scratch),
          "IN of 2 and 4 bytes");
    check(vestibule_mmio_read(&machine.cpu, apic_id, 4) == 0, "the APIC's ID");
    vestibule_write(&machine.cpu, com1, "at once\n", 8);
    vestibule_putc(&machine.cpu, com1, '!');
    vestibule_putc(&machine.cpu, com1, '\n');
    // More than the buffer holds: the last byte is of a second part.
    constexpr unsigned long_line = VESTIBULE_BUFFER_SIZE + 1;
    static constinit u8 line[long_line]{};
    for (volatile u8& byte : line) {
        byte = '-';
    }
    line[long_line - 1] = '\n';
    vestibule_write(&machine.cpu, com1, line, long_line);
}

bool interrupts_are_on() {
    u64 flags = 0;
    asm volatile("pushfq\n\tpop %0" : "=r"(flags));
    return (flags & x86::rflags::interrupt) != 0;
}

/// A call leaves RFLAGS.IF as it was; sevsim holds it against a VMGEXIT with it set
/// (vmgexit-interruptible).
void with_interrupts() {
    // Nothing may come: the local APIC is off but for what calls ask of it, the PIC masked.
    vestibule_out(&machine.cpu, 0x21, 1, 0xFF);
    vestibule_out(&machine.cpu, 0xA1, 1, 0xFF);
    check(!interrupts_are_on(), "interrupts off");
    (void)vestibule_in(&machine.cpu, scratch, 1);
    check(!interrupts_are_on(), "interrupts still off");
    asm volatile("sti" : : : "memory");
    vestibule_call call = cpuid_call(0);
    const bool made     = makes(call);
    (void)vestibule_in(&machine.cpu, scratch, 1);
    (void)vestibule_mmio_read(&machine.cpu, apic_id, 4);
    vestibule_write(&machine.cpu, com1, "interruptible\n", 14);
    const bool on = interrupts_are_on();
    asm volatile("cli" : : : "memory");
    check(made && on, "interrupts on after calls");
}

void on_nmi(const vestibule_frame*, void*) {
    nmis                = nmis + 1;
    vestibule_call call = cpuid_call(0);
    if (!makes(call) || vestibule_in(&machine.cpu, scratch, 1) != 0x77
        || x86::Cpu::cpuid(0).ebx != call.reg[3]) {
        wrong_in_handler = true;
    }
}

/// Calls that an NMI may interrupt, with answers that are known.
void under_nmis() {
    vestibule_out(&machine.cpu, scratch, 1, 0x77);
    const u64 vendor = x86::Cpu::cpuid(0).ebx;
    vestibule_mmio_write(&machine.cpu, apic_ldr, 4, 0x6900'0000);
    for (unsigned n = 0; n < 4; ++n) {
        vestibule_call call = cpuid_call(0);
        check(makes(call) && call.reg[3] == vendor, "CPUID under NMIs");
        check(vestibule_in(&machine.cpu, scratch, 1) == 0x77, "IN under NMIs");
        check(vestibule_mmio_read(&machine.cpu, apic_ldr, 4) == 0x6900'0000, "MMIO under NMIs");
        vestibule_write(&machine.cpu, com1, "whole\n", 6);
    }
    check(!wrong_in_handler, "a wrong answer in an NMI's handler");
    const auto& channel = library::PerCpu::of(machine.cpu).context.ghcb;
    check(channel.holders == 0 && !channel.is_kept, "the page is still held");
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    vestibule_setup setup = good_setup();
    setup.nmi_ist         = nmi_ist;
    setup.nmi             = on_nmi;
    start_library(setup);
    under_nmis();
    if (nmis == 0) { // what follows has its own numbers of exits
        bad_arguments();
        any_event();
        machine_events();
        devices();
        with_interrupts();
    }
    say(nmis == 0 ? "no NMI" : "NMIs");
    end_run();
}
