// SPDX-License-Identifier: BSD-2-Clause-Patent
// A request that the MSR protocol does not have, then the end.
#include "boot/boot_info.h"
#include "boot/fatal.h"
#include "ghcb/msr_protocol.h"
#include "x86/cpu.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    (void)vestibule::ghcb::msr_protocol::exchange<vestibule::x86::Cpu>(0x777);
    vestibule::boot::fail(vestibule::ghcb::reason::general);
}
