// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/fatal.h"

#include "boot/c_bit.h"
#include "boot/ports.h"
#include "ghcb/msr_protocol.h"
#include "x86/cpu.h"

namespace vestibule::boot {

void fail(ghcb::Reason reason) {
    if (measured_c_bit() != 0) {
        ghcb::msr_protocol::terminate<x86::Cpu>(reason);
    }
    x86::Cpu::out8(port::debug_exit, static_cast<u8>(0x80 | reason.code));
    x86::Cpu::halt();
}

} // namespace vestibule::boot
