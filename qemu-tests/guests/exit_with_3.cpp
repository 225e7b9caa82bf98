// SPDX-License-Identifier: BSD-2-Clause-Patent
// Ends with an exit code of its own that is not zero.
#include "boot/boot_info.h"
#include "x86/cpu.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    vestibule::x86::Cpu::out8(0xF4, 3);
    vestibule::x86::Cpu::halt();
}
