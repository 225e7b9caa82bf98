// Prints what the guest's assembly needs to know of the C++ types, as NASM definitions. Runs on the
// build machine, before anything freestanding is built.
#include "boot/gdt.h"
#include "boot/selftest/registers.h"
#include "vc/frame.h"

#include <cstddef>
#include <cstdio>

using vestibule::selftest::Registers;
using vestibule::vc::Frame;

namespace {

struct Constant {
    const char* name;
    unsigned long value;
};

constexpr Constant constants[] = {
    {"FRAME_RAX", offsetof(Frame, rax)},
    {"FRAME_R15", offsetof(Frame, r15)},
    {"FRAME_ERROR_CODE", offsetof(Frame, error_code)},
    {"CODE64_SELECTOR", vestibule::boot::code64_selector},
    {"REGISTERS_RAX", offsetof(Registers, rax)},
    {"REGISTERS_RCX", offsetof(Registers, rcx)},
    {"REGISTERS_RDX", offsetof(Registers, rdx)},
    {"REGISTERS_RBX", offsetof(Registers, rbx)},
    {"REGISTERS_RSP", offsetof(Registers, rsp)},
    {"REGISTERS_RBP", offsetof(Registers, rbp)},
    {"REGISTERS_RSI", offsetof(Registers, rsi)},
    {"REGISTERS_RDI", offsetof(Registers, rdi)},
    {"REGISTERS_R8", offsetof(Registers, r8)},
    {"REGISTERS_R9", offsetof(Registers, r9)},
    {"REGISTERS_R10", offsetof(Registers, r10)},
    {"REGISTERS_R11", offsetof(Registers, r11)},
    {"REGISTERS_R12", offsetof(Registers, r12)},
    {"REGISTERS_R13", offsetof(Registers, r13)},
    {"REGISTERS_R14", offsetof(Registers, r14)},
    {"REGISTERS_R15", offsetof(Registers, r15)},
    {"REGISTERS_RFLAGS", offsetof(Registers, rflags)},
};

} // namespace

int main() {
    std::puts("; Generated from the C++ types by boot/asm_constants.cpp.");
    for (const Constant& constant : constants) {
        std::printf("%-20s equ %lu\n", constant.name, constant.value);
    }
}
