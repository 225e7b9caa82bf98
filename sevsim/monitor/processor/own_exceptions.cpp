// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/processor/own_exceptions.h"

#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/recording/records.h"
#include "x86/cpu.h"
#include "x86/descriptor.h"
#include "x86/registers.h"

using namespace vestibule;
using namespace vestibule::sevsim;

extern "C" {
extern u8 monitor_exception_entry[]; // start.asm
extern u8 monitor_nmi_entry[];       // sleep.asm
extern u8 monitor_interrupt_entries[];
[[noreturn]] void monitor_exception(const u64* stack, u64 cr2);
}

namespace {

constexpr unsigned vectors            = 256;
constexpr size_t interrupt_entry_size = 16;

constinit x86::InterruptGate idt[vectors]{};

constexpr u16 code_selector = 8;

x86::InterruptGate gate_to(const u8* entry) {
    return x86::InterruptGate::to(reinterpret_cast<u64>(entry), code_selector);
}

} // namespace

void monitor_exception(const u64* stack, u64 cr2) {
    Record("monitor-exception")
        .hex("cr2", cr2)
        .hex("stack0", stack[0])
        .hex("stack1", stack[1])
        .hex("stack2", stack[2])
        .end();
    end_run_by_monitor_error("the monitor itself took an exception");
}

void sevsim::catch_own_exceptions() {
    for (unsigned n = 0; n < vectors; ++n) {
        const bool is_exception = n < x86::exception::count;
        idt[n]                  = gate_to(is_exception ? monitor_exception_entry
                                                       : monitor_interrupt_entries
                                                             + (n - x86::exception::count) * interrupt_entry_size);
    }
    idt[x86::exception::nmi] = gate_to(monitor_nmi_entry);
    const x86::TableRegister idtr{.limit = sizeof(idt) - 1, .base = reinterpret_cast<u64>(idt)};
    x86::Cpu::lidt(idtr);
}
