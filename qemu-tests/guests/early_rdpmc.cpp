// SPDX-License-Identifier: BSD-2-Clause-Patent
// An exit other than CPUID in the early handler.
#include "boot/fatal.h"
#include "boot/interrupts.h"

extern "C" [[noreturn]] void stub_main() {
    vestibule::boot::install_early_handlers();
    asm volatile("rdpmc" : : "c"(0) : "eax", "edx");
    vestibule::boot::fail(vestibule::ghcb::reason::general);
}
