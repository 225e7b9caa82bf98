// SPDX-License-Identifier: BSD-2-Clause-Patent
// Single instructions in 32-bit code (snippets32.asm), and what they must leave behind.
#pragma once

#include "ghcb/msr_protocol.h"
#include "x86/cpu.h"
#include "x86/registers.h"

namespace vestibule::guests {

struct Snippet32Registers {
    u32 eax;
    u32 ebx;
    u32 ecx;
    u32 edx;
    u32 esi;
    u32 ebp;
    u32 eflags;
};

static_assert(sizeof(Snippet32Registers) == 28);

constexpr u32 esi_canary = 0x5115'1551;
constexpr u32 ebp_canary = 0xB99B'9BB9;

/// What an early handler must have got by the MSR protocol, asked for once more.
inline bool is_cpuid_answer(u32 leaf, const x86::CpuidResult& seen) {
    using namespace ghcb::msr_protocol;
    const u32 values[] = {seen.eax, seen.ebx, seen.ecx, seen.edx};
    for (unsigned n = 0; n < 4; ++n) {
        u32 wanted = 0;
        if (!cpuid<x86::Cpu>(leaf, static_cast<CpuidRegister>(n), wanted) || wanted != values[n]) {
            return false;
        }
    }
    return true;
}

/// Runs `run(registers)` as CPUID of that leaf, twice, and says whether both were answered and left
/// everything else alone. Two, so that whoever counts instructions finds one with all memory
/// touched.
template <class Run>
bool early_cpuid_works(u32 leaf, u32 subleaf, Run run) {
    for (int round = 0; round < 2; ++round) {
        Snippet32Registers registers{leaf, 0, subleaf, 0, esi_canary, ebp_canary, 0};
        run(registers);
        if (!is_cpuid_answer(leaf, {registers.eax, registers.ebx, registers.ecx, registers.edx})
            || registers.esi != esi_canary || registers.ebp != ebp_canary
            || (registers.eflags & x86::rflags::df) == 0
            || (registers.eflags & x86::rflags::rf) != 0) {
            return false;
        }
    }
    return true;
}

} // namespace vestibule::guests
