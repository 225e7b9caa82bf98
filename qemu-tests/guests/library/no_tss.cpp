// SPDX-License-Identifier: BSD-2-Clause-Patent
// A kernel's way from its first #VC to its last: by the boot entry, on the interrupted stack, with
// two pages and no TSS; then with a TSS by the library's own entries; stopped, and started again
// with another TSS, GDT and CR3. Exit code 0 if all was as it should be.
#include "include/vestibule/calls.h"

#include "boot/image.h"
#include "library/per_cpu.h"
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

#pragma GCC visibility push(hidden)
extern "C" {
extern u8 end_single_step[]; // no_tss.asm: a #DB handler, which counts
extern volatile u64 single_steps;
void cpuid_single_stepped();
extern u8 behind_cpuid[];
extern volatile u64 stepped_rip;
extern volatile u64 stepped_rsp_error;
}
#pragma GCC visibility pop

namespace {

constinit vestibule_core core{};
alignas(16) constinit x86::TaskState other_task{};
alignas(16) constinit x86::SegmentDescriptor other_gdt[9]{};
constinit x86::PageTable other_pml4{};

u16 task_register() {
    u16 selector = 0;
    asm volatile("str %0" : "=r"(selector));
    return selector;
}

void serve_each_kind(const char* who, vestibule_cpu& cpu) {
    check(x86::Cpu::cpuid(0x8000'0000).eax >= 0x8000'001F, "CPUID");
    x86::Cpu::out8(0x81, 0x5C);
    check(x86::Cpu::in8(0x81) == 0x5C && vestibule_in(&cpu, 0x81, 1) == 0x5C, "OUT and IN");
    const unsigned before = machine.seen.count;
    machine.skip          = 2;
    const u64 value       = rdmsr_of(0x1234'5678, end_of(machine.fault_stack));
    check(value == 0x2222'2222'1111'1111 && machine.seen.count == before + 1
              && machine.seen.vector == x86::exception::general_protection
              && machine.seen.frame.error_code == 0
              && machine.seen.frame.rip == boot::address_of(rdmsr_here)
              && machine.seen.frame.rsp == end_of(machine.fault_stack),
          "#GP of RDMSR");
    const u64 steps = single_steps;
    cpuid_single_stepped();
    check(single_steps == steps + 1 && stepped_rip == boot::address_of(behind_cpuid)
              && stepped_rsp_error == 0,
          "#DB behind CPUID");
    say(who);
}

/// Without a TSS, as good_setup() is with one.
vestibule_setup boot_setup() {
    vestibule_setup setup = good_setup();
    setup.tss             = nullptr;
    setup.vc_ist          = 0;
    return setup;
}

void must(vestibule_reason reason) {
    if (reason != 0) {
        vestibule_terminate(reason);
    }
}

bool is_zero(const u8 (&page)[page_size]) {
    u8 any = 0;
    for (const volatile u8& byte : page) {
        any = any | byte;
    }
    return any == 0;
}

void by_the_boot_entry() {
    vestibule_setup setup = boot_setup();
    auto* const cpu       = reinterpret_cast<vestibule_cpu*>(&core);
    must(vestibule_cpu_start(cpu, &setup));
    vestibule_boot_entry_serves(cpu);
    vestibule_set_gate(machine.idt, x86::exception::vmm_communication, vestibule_boot_entry,
                       boot::code64_selector, 0);
}

void stop() {
    must(vestibule_cpu_stop(&machine.cpu));
    vestibule_set_gate(machine.idt, x86::exception::vmm_communication, vestibule_early_entry,
                       boot::code64_selector, 0);
}

void move() {
    for (unsigned n = 0; n < 9; ++n) {
        const volatile u64* from = &machine.gdt[n].value;
        other_gdt[n].value       = *from;
    }
    const u64 base              = boot::address_of(&other_task);
    other_gdt[guests::task / 8] = {(sizeof(x86::TaskState) - 1) | ((base & 0xFF'FFFF) << 16)
                                   | (u64{0x89} << 40) | ((base >> 24 & 0xFF) << 56)};
    other_task.io_map_base      = sizeof(x86::TaskState);
    x86::Cpu::lgdt({.limit = sizeof(other_gdt) - 1, .base = boot::address_of(other_gdt)});
    asm volatile("ltr %0" : : "r"(guests::task));
    const u64 c_bit = machine.platform.c_bit;
    const auto* old = reinterpret_cast<const volatile u64*>(x86::Cpu::cr3() & ~c_bit & ~u64{0xFFF});
    for (unsigned n = 0; n < 512; ++n) {
        other_pml4.entry[n].value = old[n];
    }
    x86::Cpu::set_cr3(boot::address_of(&other_pml4) | c_bit);
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine_without_task();
    machine.idt[x86::exception::debug] =
        x86::InterruptGate::to(boot::address_of(end_single_step), boot::code64_selector);
    by_the_boot_entry();
    check(task_register() == 0, "there is a TSS");
    serve_each_kind("by the boot entry", *reinterpret_cast<vestibule_cpu*>(&core));

    load_task();
    start_library(good_setup());
    serve_each_kind("with a TSS", machine.cpu);

    const u64 slot = machine.task.ist[vc_ist - 1U];
    stop();
    const bool slots = slot != 0 && machine.task.ist[vc_ist - 1U] == 0;
    const bool gone  = is_zero(machine.ghcb) && x86::Cpu::rdmsr(x86::Msr::ghcb) == 2;
    const bool again = vestibule_cpu_stop(&machine.cpu) == 0;
    const u32 leaves = x86::Cpu::cpuid(0x8000'0000).eax; // by the early entry
    move();
    vestibule_setup setup = good_setup();
    setup.tss             = &other_task;
    start_library(setup);
    check(slots, "IST slots that are left");
    check(gone, "something is left of the GHCB page");
    check(!again, "stopped twice");
    check(leaves >= 0x8000'001F, "early CPUID");
    serve_each_kind("with another TSS", machine.cpu);
    end_run();
}
