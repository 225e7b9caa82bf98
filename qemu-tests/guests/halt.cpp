// SPDX-License-Identifier: BSD-2-Clause-Patent
// Halts with interrupts off.
#include "boot/boot_info.h"
#include "x86/cpu.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    vestibule::x86::Cpu::halt();
}
