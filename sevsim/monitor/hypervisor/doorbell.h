// SPDX-License-Identifier: BSD-2-Clause-Patent
// Restricted injection (SEV_FEATURES bit 3; APM volume 2, section 15.36.15): the guest takes no
// event but #HV, which says that there is something on its doorbell page (GHCB specification, exit
// 0x80000014). Interrupts and NMIs of the machine go there.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

bool has_restricted_injection(const Vcpu& vcpu);

/// Before the guest is entered: puts on its doorbell page what waits for it, and has it take #HV
/// where it wants to be told.
void ring_doorbell(Vcpu& vcpu);

/// True where one more interrupt has room there.
bool takes_interrupt(const Vcpu& vcpu);

/// #VMEXIT for an interrupt of the machine's.
void handle_interrupt(Vcpu& vcpu);

} // namespace vestibule::sevsim
