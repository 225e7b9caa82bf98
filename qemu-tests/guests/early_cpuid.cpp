// SPDX-License-Identifier: BSD-2-Clause-Patent
// CPUID before the runtime handler is there, in 64-bit mode. Twice: see snippets32.h.
#include "boot/fatal.h"
#include "boot/interrupts.h"
#include "qemu-tests/guests/snippets32.h"

using namespace vestibule;

extern "C" [[noreturn]] void stub_main() {
    // A part of the CPU's name: four registers full of it, and no sub-leaves, so that ECX is free.
    constexpr u32 leaf = 0x8000'0002;
    boot::install_early_handlers();
    bool works = true;
    for (int round = 0; round < 2; ++round) {
        works = works && guests::is_cpuid_answer(leaf, x86::Cpu::cpuid(leaf, 5));
    }
    boot::fail(works ? ghcb::reason::selftest_passed : ghcb::reason::selftest_failed);
}
