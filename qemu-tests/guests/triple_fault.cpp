// SPDX-License-Identifier: BSD-2-Clause-Patent
// An exception with no IDT to take it.
#include "boot/boot_info.h"
#include "x86/cpu.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    constexpr vestibule::x86::TableRegister nothing{.limit = 0, .base = 0};
    vestibule::x86::Cpu::lidt(nothing);
    asm volatile("ud2");
    __builtin_unreachable();
}
