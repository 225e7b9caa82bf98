// SPDX-License-Identifier: BSD-2-Clause-Patent
// MOV to and from control registers, SMSW, LMSW and CLTS. Hardware lets an SEV-ES guest use them
// unseen; here writes of CR0 are intercepted that may switch paging, which decides which view of
// memory the guest has, and CR3 where the guest cannot set the C-bit itself.
//
// Which register it is the instruction says, not the exit code: with the newer decoder of QEMU (10
// has it, 7.2 has not) a MOV from any control register exits as READ_CR0, and goes by the intercept
// bit of CR0.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Before each entry: in 64-bit code the guest needs nobody's help with CR3, and none with a CR0
/// that stays as it is. Linux writes CR3 more often than it does all else that is intercepted, and
/// OVMF reads and writes both in each handler of an exception.
void intercept_control_registers(Vcpu& vcpu);

/// Of CR0 nothing that a guest could notice, but for QEMU, which counts instructions by blocks of
/// code: a block ends at MOV from CR0, and the next one begins, in 16-bit code, at its address
/// modulo 64 KiB. Firmware that goes back to real mode does so in such code, high up.
void read_control_register(Vcpu& vcpu);
void write_control_register(Vcpu& vcpu);

} // namespace vestibule::sevsim
