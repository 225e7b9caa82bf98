// SPDX-License-Identifier: BSD-2-Clause-Patent
// Prints what the monitor's assembly needs to know of the C++ types, as NASM definitions. Runs on
// the build machine, before anything freestanding is built.
#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/options.h"
#include "sevsim/monitor/processor/svm.h"
#include "x86/nasm_constants.h"
#include "x86/registers.h"

#include <cstddef>

using vestibule::sevsim::GuestRegisters;
namespace layout = vestibule::sevsim::layout;
namespace x86    = vestibule::x86;

static constexpr vestibule::x86::NasmConstant constants[] = {
    {"MONITOR_VIRTUAL", layout::monitor_virtual},
    {"EFER_MSR", 0xC0000080},
    {"EFER_VALUE", x86::efer::lme | x86::efer::nxe | x86::efer::svme},
    {"CR0_VALUE", x86::cr0::pg | x86::cr0::wp | x86::cr0::ne | x86::cr0::et | x86::cr0::pe},
    {"CR4_VALUE", x86::cr4::pae},
    {"CR4_LA57", x86::cr4::la57},
    {"MOST_VCPUS", vestibule::sevsim::most_vcpus},
    {"GUEST_RCX", offsetof(GuestRegisters, rcx)},
    {"GUEST_RDX", offsetof(GuestRegisters, rdx)},
    {"GUEST_RBX", offsetof(GuestRegisters, rbx)},
    {"GUEST_RBP", offsetof(GuestRegisters, rbp)},
    {"GUEST_RSI", offsetof(GuestRegisters, rsi)},
    {"GUEST_RDI", offsetof(GuestRegisters, rdi)},
    {"GUEST_R8", offsetof(GuestRegisters, r8)},
    {"GUEST_R9", offsetof(GuestRegisters, r9)},
    {"GUEST_R10", offsetof(GuestRegisters, r10)},
    {"GUEST_R11", offsetof(GuestRegisters, r11)},
    {"GUEST_R12", offsetof(GuestRegisters, r12)},
    {"GUEST_R13", offsetof(GuestRegisters, r13)},
    {"GUEST_R14", offsetof(GuestRegisters, r14)},
    {"GUEST_R15", offsetof(GuestRegisters, r15)},
    {"GUEST_ENTERED_AT", offsetof(GuestRegisters, entered_at)},
    {"GUEST_LEFT_AT", offsetof(GuestRegisters, left_at)},
};

int main() { vestibule::x86::print_nasm_constants("sevsim/monitor/asm_constants.cpp", constants); }
