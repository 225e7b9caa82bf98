// SPDX-License-Identifier: BSD-2-Clause-Patent
// RDPMC, and with `--hostile vc:CODE@1` an exit that the runtime handler does not serve.
#include "boot/boot_info.h"
#include "boot/fatal.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    asm volatile("rdpmc" : : "c"(0) : "eax", "edx");
    vestibule::boot::fail(vestibule::ghcb::reason::general);
}
