// SPDX-License-Identifier: BSD-2-Clause-Patent
// An exception that nobody handles.
#include "boot/boot_info.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    asm volatile("ud2");
    __builtin_unreachable();
}
