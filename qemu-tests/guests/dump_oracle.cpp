// SPDX-License-Identifier: BSD-2-Clause-Patent
// What instructions do to the registers, sent to the dump port: natively the processor does them,
// under SEV-ES the #VC runtime. Both must be the same, byte by byte (qemu-tests/same_dump.cmake).
#include "boot/boot_info.h"
#include "x86/cpu.h"

using namespace vestibule;

namespace {

constexpr u16 dump_port = 0x5EA;

/// What an instruction is given and what it leaves.
struct Registers {
    u64 rax;
    u64 rbx;
    u64 rcx;
    u64 rdx;
    u64 rflags;
};

void dump(u64 value) {
    x86::Cpu::out32(dump_port, low_half(value));
    x86::Cpu::out16(dump_port, static_cast<u16>(value >> 32));
    x86::Cpu::out8(dump_port, static_cast<u8>(value >> 48));
    x86::Cpu::out8(dump_port, static_cast<u8>(value >> 56));
}

void dump(const Registers& registers) {
    dump(registers.rax);
    dump(registers.rbx);
    dump(registers.rcx);
    dump(registers.rdx);
    dump(registers.rflags);
}

/// Upper halves full of ones, so that what is cleared or kept shows.
constexpr u64 high = 0xA5A5'A5A5'0000'0000;

#define RUN(instruction, rax_value, rcx_value, rdx_value)                                          \
    do {                                                                                           \
        Registers r{(rax_value), high, (rcx_value), (rdx_value), 0};                               \
        asm volatile("pushq $0x8D7; popfq; " instruction "; pushfq; popq %4; cld"                  \
                     : "+a"(r.rax), "+b"(r.rbx), "+c"(r.rcx), "+d"(r.rdx), "=r"(r.rflags)          \
                     :                                                                             \
                     : "memory", "cc");                                                            \
        dump(r);                                                                                   \
    } while (false)

} // namespace

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    RUN("nop", high, high, high);
    RUN("out %%al, $0x81", high | 0x5A, high, high);
    RUN("in $0x81, %%al", high | 0xFFFF'FFFF, high, high);
    RUN("in $0x81, %%ax", high | 0xFFFF'FFFF, high, high);
    RUN("in $0x81, %%eax", high | 0xFFFF'FFFF, high, high);
    RUN("in %%dx, %%al", high | 0x1234'5678, high, high | 0x81);
    RUN("cpuid", high | 2, high, high);
    RUN("cpuid", high, high, high);
    RUN("rdmsr", high, high | 0x2FF, high);
    RUN("wrmsr", high | 0x12345000, high | 0x20E, high);
    RUN("rdmsr", high, high | 0x20E, high);
    x86::Cpu::out8(0xF4, 0);
    x86::Cpu::halt();
}
