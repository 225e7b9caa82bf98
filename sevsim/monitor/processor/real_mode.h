// SPDX-License-Identifier: BSD-2-Clause-Patent
// IRET in real mode on a stack segment of 32 bits, as code has it that comes from protected mode
// and has loaded no segment yet (APM volume 2, section 14.6). QEMU takes 16 bits of the stack
// pointer there whatever the segment says, so it is done in its place: OVMF's way back to the state
// in which its further processors wait for a kernel.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// True where the vCPU is in such code.
bool has_large_real_stack(Vcpu& vcpu);

/// Before each entry of the guest: has IRET leave it there.
void watch_real_iret(Vcpu& vcpu);

void emulate_real_iret(Vcpu& vcpu);

} // namespace vestibule::sevsim
