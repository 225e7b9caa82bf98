// SPDX-License-Identifier: BSD-2-Clause-Patent
// Never ends.
#include "boot/boot_info.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    for (;;) {
        asm volatile("pause");
    }
}
