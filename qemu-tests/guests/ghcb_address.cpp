// SPDX-License-Identifier: BSD-2-Clause-Patent
// A GHCB where there is no memory.
#include "boot/boot_info.h"
#include "x86/cpu.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    using vestibule::x86::Cpu;
    Cpu::wrmsr(vestibule::x86::Msr::ghcb, vestibule::bit(40));
    Cpu::vmgexit();
    Cpu::out8(0xF4, 0); // nobody should have answered
    Cpu::halt();
}
