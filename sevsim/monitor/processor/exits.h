// SPDX-License-Identifier: BSD-2-Clause-Patent
// What each #VMEXIT of the guest becomes.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Handles the exit that the VMCB holds. Returns when the guest can go on.
void handle_exit(Vcpu& vcpu);

/// Has the guest take a #VC where it stands.
void raise_vc(Vcpu& vcpu, u64 exit_code);

} // namespace vestibule::sevsim
