// SPDX-License-Identifier: BSD-2-Clause-Patent
// A #VC handler of known length, in assembly: what --profile must say of it is written beside it.
#include "boot/boot_info.h"
#include "boot/gdt.h"
#include "boot/image.h"
#include "x86/cpu.h"
#include "x86/registers.h"

using namespace vestibule;

#pragma GCC visibility push(hidden)
extern "C" u8 known_handler[];
#pragma GCC visibility pop

namespace {

constinit x86::InterruptGate idt[x86::exception::count]{};

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    idt[x86::exception::vmm_communication] =
        x86::InterruptGate::to(boot::address_of(known_handler), boot::code64_selector);
    x86::Cpu::lidt({.limit = sizeof(idt) - 1, .base = boot::address_of(idt)});
    for (int n = 0; n < 7; ++n) {
        (void)x86::Cpu::cpuid(0);
    }
    for (int n = 0; n < 3; ++n) {
        asm volatile("rdpmc" : : : "rax", "rcx", "rdx", "rbx", "rdi", "memory");
    }
    asm volatile("wbinvd" : : : "rax", "rcx", "rdx");
    // The handler ends the run by the GHCB MSR.
    asm volatile("invd" : : : "memory");
    x86::Cpu::halt();
}
