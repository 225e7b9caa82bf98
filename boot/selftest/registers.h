// SPDX-License-Identifier: BSD-2-Clause-Patent
// Running one instruction with all sixteen registers and the flags chosen, and seeing all of them
// afterwards.
#pragma once

#include "x86/types.h"

namespace vestibule::selftest {

/// In the order of the registers' numbers.
struct Registers {
    u64 rax;
    u64 rcx;
    u64 rdx;
    u64 rbx;
    u64 rsp;
    u64 rbp;
    u64 rsi;
    u64 rdi;
    u64 r8;
    u64 r9;
    u64 r10;
    u64 r11;
    u64 r12;
    u64 r13;
    u64 r14;
    u64 r15;
    u64 rflags;
};

inline constexpr unsigned register_count = sizeof(Registers) / sizeof(u64);

// Arrays, not pointers: pointers would need relocating.
inline constexpr char register_names[register_count][7] = {
    "rax", "rcx", "rdx", "rbx", "rsp", "rbp", "rsi", "rdi",   "r8",
    "r9",  "r10", "r11", "r12", "r13", "r14", "r15", "rflags"};

/// The snippets of snippets.asm, each one instruction.
enum class Snippet : u32 {
    cpuid,
    rdmsr,
    wrmsr,
    in_al_imm8,
    in_ax_imm8,
    in_eax_imm8,
    in_al_dx,
    in_ax_dx,
    in_eax_dx,
    out_imm8_al,
    out_imm8_ax,
    out_imm8_eax,
    out_dx_al,
    out_dx_ax,
    out_dx_eax,
};

inline constexpr unsigned snippet_count = 15;

} // namespace vestibule::selftest

/// Loads `registers` (RSP included: it must point to writable stack), runs the snippet, stores all
/// registers back.
extern "C" void selftest_run_snippet(vestibule::selftest::Registers& registers,
                                     vestibule::selftest::Snippet snippet);
