// SPDX-License-Identifier: BSD-2-Clause-Patent
// CPUID of a sub-leaf that the MSR protocol cannot ask for.
#include "boot/fatal.h"
#include "boot/interrupts.h"
#include "x86/cpu.h"

extern "C" [[noreturn]] void stub_main() {
    vestibule::boot::install_early_handlers();
    (void)vestibule::x86::Cpu::cpuid(7, 1);
    vestibule::boot::fail(vestibule::ghcb::reason::general);
}
