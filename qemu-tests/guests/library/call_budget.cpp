// SPDX-License-Identifier: BSD-2-Clause-Patent
// Instructions of a driver's access by the library's calls (include/vestibule/calls.h), from the
// call to its return, counted by single-stepping them: RFLAGS.TF, and a #DB handler that counts.
// Exit code 0 if none takes more than the budget (docs/library.md).
#include "include/vestibule/calls.h"
#include "qemu-tests/guests/library/machine.h"

using namespace vestibule;
using namespace vestibule::guests;

#pragma GCC visibility push(hidden)
extern "C" {
extern volatile u64 steps; // call_budget.asm
extern u8 count_step[];    // a #DB handler
u64 steps_of(void (*function)(void*), void* argument);
}
#pragma GCC visibility pop

namespace {

constexpr u64 budget = 120;
/// A hypervisor goes on behind what it intercepts, so that nothing traps there: WRMSR of the GHCB's
/// address, and VMGEXIT.
constexpr u64 without_trap = 2;

constexpr u16 scratch  = 0x81;
constexpr u64 apic_ldr = 0xFEE0'00D0;

void nothing(void*) {}

void say_number(const char* what, u64 value) {
    char line[32]{};
    unsigned at = 0;
    for (; *what != '\0'; ++what) {
        line[at++] = *what;
    }
    for (u64 unit = 100; unit != 0; unit /= 10) {
        line[at++] = static_cast<char>('0' + value / unit % 10);
    }
    say(line);
}

void measure(const char* what, void (*function)(void*)) {
    const u64 count = steps_of(function, &machine.cpu) - steps_of(nothing, nullptr) + without_trap;
    say_number(what, count);
    // Fewer than the fields that a call fills in would be a count that went wrong.
    check(count <= budget && count >= 20, "over budget, or not counted");
}

vestibule_cpu* cpu_of(void* cpu) { return static_cast<vestibule_cpu*>(cpu); }

} // namespace

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    start_library(good_setup());
    machine.idt[x86::exception::debug] =
        x86::InterruptGate::to(reinterpret_cast<u64>(count_step), boot::code64_selector);
    measure("in ", [](void* cpu) { (void)vestibule_in(cpu_of(cpu), scratch, 1); });
    measure("out ", [](void* cpu) { vestibule_out(cpu_of(cpu), scratch, 1, 0x5A); });
    measure("mmio read ", [](void* cpu) { (void)vestibule_mmio_read(cpu_of(cpu), apic_ldr, 4); });
    measure("mmio write ", [](void* cpu) { vestibule_mmio_write(cpu_of(cpu), apic_ldr, 4, 0); });
    end_run();
}
