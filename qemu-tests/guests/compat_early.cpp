// SPDX-License-Identifier: BSD-2-Clause-Patent
// One instruction in compatibility mode, with the early handlers installed: 64-bit handlers for
// 32-bit code. Which one, and CPUID's inputs, are definitions of the build.
#include "boot/fatal.h"
#include "boot/interrupts.h"
#include "qemu-tests/guests/snippets32.h"

using namespace vestibule;

extern "C" {
[[gnu::visibility("hidden")]] void SNIPPET();
void call_compat(void (*snippet)(), guests::Snippet32Registers* registers);
}

extern "C" [[noreturn]] void stub_main() {
    boot::install_early_handlers();
    const bool works =
        guests::early_cpuid_works(LEAF, SUBLEAF, [](guests::Snippet32Registers& registers) {
            call_compat(SNIPPET, &registers);
        });
    boot::fail(works ? ghcb::reason::selftest_passed : ghcb::reason::selftest_failed);
}
