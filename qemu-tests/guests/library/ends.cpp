// SPDX-License-Identifier: BSD-2-Clause-Patent
// Kernels that break a rule of the library, one for each way (END, by CMake): the guest ends, and
// says why. And the calls that end a machine, or hold a vCPU.
#include "include/vestibule/calls.h"
#include "library/per_cpu.h"
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

namespace {

enum : int {
    nmi_in_nmi,     // an NMI on the stack of one that is handled
    vc_in_hook,     // #VC in the #VC handler
    gp_on_vc_ist,   // an exception whose gate has the IST of #VC
    by_kernel,      // the kernel's own end
    at_a_place,     // the same, with words
    port_size,      // a driver's access of three bytes
    mmio_page,      // one across the end of a page
    nmi_stack_full, // an NMI's handler that needs too much stack, with a guard page below it
    reset,
    power_off,
    reset_hold, // of the only vCPU, so nobody can wake it
};

constexpr int end = END;

/// INT 2 comes through the NMI's gate as an NMI does.
void interrupt_2() { asm volatile("int $2" : : : "memory"); }

/// Less than a page beyond the stack's mapped part.
void fill_stack() {
    constexpr int size = VESTIBULE_NMI_STACK_SIZE - page_size + 512;
    asm volatile("sub %0, %%rsp\n\tmovb $1, (%%rsp)\n\tadd %0, %%rsp"
                 :
                 : "i"(size)
                 : "memory", "cc");
}

/// The library has sent further NMIs elsewhere; who writes its IST slots calls them back.
void on_nmi(const vestibule_frame*, void*) {
    if (end == nmi_stack_full) {
        fill_stack();
        return;
    }
    machine.task.ist[nmi_ist - 1U] = end_of(library::PerCpu::of(machine.cpu).nmi_stack.room);
    interrupt_2();
}

int user_may(const vestibule_user_request*) {
    (void)x86::Cpu::cpuid(0);
    return 1;
}

void in_from_user_mode() {
    constexpr u8 code[] = {0xEC, 0xCD, 0x80}; // IN AL, DX; INT 0x80
    for (unsigned n = 0; n < sizeof(code); ++n) {
        machine.user_code[n] = code[n];
    }
    u64 rax_rdx[2] = {0, 0x81};
    enter_user(reinterpret_cast<u64>(machine.user_code), end_of(machine.user_stack), user_code64,
               user_data, 0x3002, rax_rdx);
}

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    vestibule_setup setup = good_setup();
    setup.nmi_ist         = nmi_ist;
    setup.nmi             = on_nmi;
    setup.user_may        = user_may;
    if (end == nmi_stack_full) {
        setup.guard_pages = 1;
        unmap_guards();
    }
    start_library(setup);
    say("started");
    switch (end) {
    case nmi_in_nmi: interrupt_2(); break;
    case vc_in_hook: in_from_user_mode(); break;
    case gp_on_vc_ist:
        machine.idt[x86::exception::general_protection].ist = vc_ist;
        (void)x86::Cpu::rdmsr(static_cast<x86::Msr>(0x1234'5678));
        break;
    case nmi_stack_full:
        machine.idt[x86::exception::page_fault].ist = fault_ist;
        interrupt_2();
        break;
    case port_size: (void)vestibule_in(&machine.cpu, 0x80, 3); break;
    case mmio_page: vestibule_mmio_write(&machine.cpu, 0xFEE0'0FFE, 4, 0); break;
    case at_a_place: vestibule_terminate_at(&machine.cpu, 0x50E, 0x1234, 0x56, 0x789A); break;
    case reset: vestibule_reset(&machine.cpu);
    case power_off: vestibule_power_off(&machine.cpu, 0x604, 0); // where SeaBIOS puts PM1a_CNT
    case reset_hold: (void)vestibule_ap_reset_hold(&machine.cpu); break;
    default: vestibule_terminate(0x2F0); // SELFTEST_PASSED
    }
    say("still here");
    end_run();
}
