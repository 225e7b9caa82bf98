// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/interrupts.h"

#include "boot/c_bit.h"
#include "boot/fatal.h"
#include "boot/gdt.h"
#include "boot/image.h"
#include "vc/early.h"
#include "x86/cpu.h"

using namespace vestibule;

#pragma GCC visibility push(hidden) // no address of these through a table that needs relocating
extern "C" {
// Assembly: the gates' targets (boot/exceptions.asm, vc/entry64.asm).
extern u8 exception_entries[];
extern u8 vc_runtime_entry[];
// Assembly: RDMSR that may fault.
u32 rdmsr_or_fault(u32 msr, u64* value);
extern u8 rdmsr_or_fault_instruction[];
extern u8 rdmsr_or_fault_failed[];

// Called from assembly.
[[clang::preserve_none]] void vc_runtime_handler(vc::Frame& frame);
void exception_handler(vc::Frame& frame, u32 vector);
}
#pragma GCC visibility pop

#pragma GCC visibility push(hidden)
/// Alone in what entry64 does not clear: the 32-bit entry comes with gates of its own in it.
extern "C"
    [[gnu::section(".bss.kept")]] constinit x86::InterruptGate stub_idt[x86::exception::count]{};
#pragma GCC visibility pop

namespace vestibule::boot {

namespace {

constinit vc::Context context{};

/// An exception for the interrupted code, raised by the CPU or by the hypervisor's answer. One
/// instruction of the stub may fault; any other exception ends the guest.
void deliver_exception(vc::Frame& frame, u32 vector) {
    if (vector == x86::exception::general_protection
        && frame.rip == address_of(rdmsr_or_fault_instruction)) {
        frame.rip = address_of(rdmsr_or_fault_failed);
        return;
    }
    fail_at(frame, {ghcb::reason::set_exception, static_cast<u8>(vector)});
}

void conclude(vc::Frame& frame, ghcb::Outcome outcome) {
    switch (outcome.kind) {
    case ghcb::Outcome::Kind::done:
    case ghcb::Outcome::Kind::again: return;
    case ghcb::Outcome::Kind::raise: deliver_exception(frame, outcome.vector); return;
    case ghcb::Outcome::Kind::terminate: fail_at(frame, outcome.reason);
    }
}

} // namespace

vc::Context& vc_context() { return context; }

void install_early_handlers() {
    const x86::TableRegister gdtr{.limit = sizeof(stub_gdt) - 1, .base = address_of(stub_gdt)};
    x86::Cpu::lgdt(gdtr);
    for (u64 vector = 0; vector < x86::exception::count; ++vector) {
        stub_idt[vector] = x86::InterruptGate::to(
            address_of(exception_entries) + vector * exception_entry_stride, code64_selector);
    }
    const x86::TableRegister idtr{.limit = sizeof(stub_idt) - 1, .base = address_of(stub_idt)};
    x86::Cpu::lidt(idtr);
}

void install_runtime_handler() {
    context.kernel_code64  = code64_selector;
    context.c_bit          = measured_c_bit();
    context.page_addresses = vc::page_addresses(0, context.c_bit);
    context.dr7            = x86::dr7_reset;
    stub_idt[x86::exception::vmm_communication] =
        x86::InterruptGate::to(address_of(vc_runtime_entry), code64_selector);
}

bool rdmsr_safely(x86::Msr msr, u64& value) {
    return rdmsr_or_fault(static_cast<u32>(msr), &value) != 0;
}

} // namespace vestibule::boot

void vc_runtime_handler(vc::Frame& frame) {
    const ghcb::Outcome outcome =
        vc::handle<x86::Cpu, vc::FramePlace::as_pushed>(frame, boot::vc_context());
    if (!outcome.is_done()) {
        boot::conclude(frame, outcome);
    }
}

void exception_handler(vc::Frame& frame, u32 vector) {
    if (!vc::is_whole(frame)) {
        boot::fail(ghcb::reason::bad_frame);
    }
    if (vector == x86::exception::vmm_communication) {
        boot::conclude(frame, vc::handle_early<x86::Cpu>(frame));
    } else {
        boot::deliver_exception(frame, vector);
    }
}
