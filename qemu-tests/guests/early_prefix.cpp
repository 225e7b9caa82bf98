// SPDX-License-Identifier: BSD-2-Clause-Patent
// CPUID with a prefix before the runtime handler is there: #VC 0x72 is right, the bytes at RIP are
// not the two that the early handler serves.
#include "boot/fatal.h"
#include "boot/interrupts.h"

extern "C" [[noreturn]] void stub_main() {
    vestibule::boot::install_early_handlers();
    unsigned eax = 0;
    unsigned ecx = 0;
    asm volatile(".byte 0x66; cpuid" : "+a"(eax), "+c"(ecx) : : "ebx", "edx");
    vestibule::boot::fail(vestibule::ghcb::reason::general);
}
