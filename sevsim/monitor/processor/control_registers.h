// MOV to and from control registers, SMSW, LMSW and CLTS. Hardware lets an SEV-ES guest use them
// unseen; here CR0 and CR3 are intercepted, since paging decides which view of memory the guest
// has.
//
// Which register it is the instruction says, not the exit code: with the newer decoder of QEMU (10
// has it, 7.2 has not) a MOV from any control register exits as READ_CR0, and goes by the intercept
// bit of CR0.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Of CR0 nothing that a guest could notice, but for QEMU, which counts instructions by blocks of
/// code: a block ends at MOV from CR0, and the next one begins, in 16-bit code, at its address
/// modulo 64 KiB. Firmware that goes back to real mode does so in such code, high up.
void read_control_register(Vcpu& vcpu);
void write_control_register(Vcpu& vcpu);

} // namespace vestibule::sevsim
