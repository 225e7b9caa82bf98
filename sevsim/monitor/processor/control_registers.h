// MOV to and from CR0 and CR3, LMSW and CLTS. Hardware lets an SEV-ES guest use them unseen; here
// they are intercepted, since paging decides which view of memory the guest has.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Nothing that a guest could notice, but for QEMU, which counts instructions by blocks of code: a
/// block ends at MOV from CR0, and the next one begins, in 16-bit code, at its address modulo
/// 64 KiB. Firmware that goes back to real mode does so in such code, high up.
void read_cr0(Vcpu& vcpu);
void read_cr3(Vcpu& vcpu);
void write_cr3(Vcpu& vcpu);
void write_cr0(Vcpu& vcpu);

} // namespace vestibule::sevsim
