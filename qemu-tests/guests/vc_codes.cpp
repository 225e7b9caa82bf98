// SPDX-License-Identifier: BSD-2-Clause-Patent
// The exit code with which each instruction comes to a guest, seen by a handler that does nothing
// but note it and skip the instruction.
#include "boot/boot_info.h"
#include "boot/gdt.h"
#include "boot/image.h"
#include "qemu-tests/guests/raw_call.h"
#include "x86/registers.h"

using namespace vestibule;
using guests::Checks;

#pragma GCC visibility push(hidden)
extern "C" {
extern u8 vc_recorder[]; // vc_recorder.asm
extern u64 vc_last_code; // what it saw last
extern u64 vc_skipped;   // how many bytes it skips
}
#pragma GCC visibility pop

namespace {

constinit x86::InterruptGate idt[x86::exception::count]{};
constinit Checks checks{};

template <class Execute>
void expect(u64 code, u64 length, const char* what, Execute execute) {
    vc_skipped   = length;
    vc_last_code = 0;
    execute();
    checks.that(*const_cast<volatile u64*>(&vc_last_code) == code, what);
}

void simple_instructions() {
    expect(0x6E, 2, "RDTSC", [] { asm volatile("rdtsc" : : : "rax", "rdx", "memory"); });
    expect(0x87, 3, "RDTSCP", [] { asm volatile("rdtscp" : : : "rax", "rcx", "rdx", "memory"); });
    expect(0x6F, 2, "RDPMC", [] { asm volatile("rdpmc" : : "c"(0) : "rax", "rdx", "memory"); });
    expect(0x72, 2, "CPUID", [] {
        asm volatile("cpuid" : : : "rax", "rbx", "rcx", "rdx", "memory");
    });
    expect(0x76, 2, "INVD", [] { asm volatile("invd" : : : "memory"); });
    expect(0x89, 2, "WBINVD", [] { asm volatile("wbinvd" : : : "memory"); });
    expect(0x8A, 3, "MONITOR", [] {
        asm volatile("monitor" : : "a"(0), "c"(0), "d"(0) : "memory");
    });
    expect(0x8B, 3, "MWAIT", [] { asm volatile("mwait" : : "a"(0), "c"(0) : "memory"); });
    expect(0x81, 3, "VMMCALL", [] { asm volatile(".byte 0x0F, 0x01, 0xD9" : : : "memory"); });
    expect(0x27, 3, "DR7 read", [] { asm volatile("mov %%dr7, %%rax" : : : "rax", "memory"); });
    expect(0x37, 3, "DR7 write", [] {
        asm volatile("mov %0, %%dr7" : : "a"(u64{0x400}) : "memory");
    });
}

void ports_and_registers() {
    expect(0x7B, 2, "IN", [] { asm volatile("in $0x81, %%al" : : : "rax", "memory"); });
    expect(0x7B, 1, "OUT", [] { asm volatile("out %%al, %%dx" : : "a"(0), "d"(0x81) : "memory"); });
    static constinit u8 buffer[4]{};
    expect(0x7B, 2, "REP INSB", [] {
        asm volatile("rep insb" : : "D"(buffer), "c"(4), "d"(0x81) : "memory");
    });
    expect(0x7B, 1, "OUTSB", [] { asm volatile("outsb" : : "S"(buffer), "d"(0x81) : "memory"); });
    expect(0x7C, 2, "RDMSR", [] { asm volatile("rdmsr" : : "c"(0x2FF) : "rax", "rdx", "memory"); });
    expect(0x7C, 2, "WRMSR", [] {
        asm volatile("wrmsr" : : "c"(0x2FF), "a"(0), "d"(0) : "memory");
    });
    expect(0x400, 2, "MMIO read", [] {
        asm volatile("mov (%%rdi), %%eax" : : "D"(0xFED0'0000) : "rax", "memory");
    });
    expect(0x400, 2, "MMIO write", [] {
        asm volatile("mov %%eax, (%%rdi)" : : "D"(0xFED0'0000), "a"(0) : "memory");
    });
}

/// These raise none: the CPU serves them itself.
void no_vc() {
    expect(0, 0, "RDMSR of SEV_STATUS", [] { (void)x86::Cpu::rdmsr(x86::Msr::sev_status); });
    expect(0, 0, "RDMSR of the GHCB MSR", [] { (void)x86::Cpu::rdmsr(x86::Msr::ghcb); });
    expect(0, 0, "EFER", [] { x86::Cpu::wrmsr(x86::Msr::efer, x86::Cpu::rdmsr(x86::Msr::efer)); });
    expect(0, 0, "TSC_AUX", [] { x86::Cpu::wrmsr(x86::Msr::tsc_aux, 1); });
    expect(0, 0, "PAUSE", [] { asm volatile("pause"); });
    expect(0, 0, "CR3", [] { x86::Cpu::set_cr3(x86::Cpu::cr3()); });
}

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    idt[x86::exception::vmm_communication] =
        x86::InterruptGate::to(boot::address_of(vc_recorder), boot::code64_selector);
    x86::Cpu::lidt({.limit = sizeof(idt) - 1, .base = boot::address_of(idt)});
    simple_instructions();
    ports_and_registers();
    no_vc();
    checks.end();
}
