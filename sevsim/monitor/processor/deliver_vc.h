// SPDX-License-Identifier: BSD-2-Clause-Patent
// Raising #VC in the guest as SEV-ES hardware does: through the guest's own IDT, with an error
// code.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Has the guest stand at the first instruction of its #VC handler, or its double fault pending
/// where the delivery itself faulted: false then. Ends the run where the guest has shut down over
/// it.
bool deliver_vc(Vcpu& vcpu, u64 exit_code);

} // namespace vestibule::sevsim
