// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where the guest executes code, by where it comes out of it: at each exit its RIP is in one of the
// ranges that were said to be its code, or a rule is broken. A hypervisor that has a guest go where
// it was not built to go has won, whatever it does there.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// At an exit, before anything is done about it.
void look_at_rip(Vcpu& vcpu);

} // namespace vestibule::sevsim
