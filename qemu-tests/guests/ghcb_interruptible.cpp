// SPDX-License-Identifier: BSD-2-Clause-Patent
// A call through the GHCB page with interrupts on. None comes: the legacy ones are masked.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    auto& page = vestibule::guests::prepare_out('!');
    vestibule::x86::Cpu::wrmsr(vestibule::x86::Msr::ghcb, vestibule::guests::ghcb_gpa());
    asm volatile("sti; nop" : : : "memory");
    vestibule::x86::Cpu::vmgexit();
    asm volatile("cli" : : : "memory");
    vestibule::guests::send_and_end(page);
}
