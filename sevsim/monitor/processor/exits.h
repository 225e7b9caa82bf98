// SPDX-License-Identifier: BSD-2-Clause-Patent
// What each #VMEXIT of the guest becomes.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Handles the exit that the VMCB holds. Returns when the guest can go on.
void handle_exit(Vcpu& vcpu);

/// True where nothing comes between what the monitor has just done for the guest and the guest's
/// next instructions: the monitor may do those too, as far as it can, and the guest is not entered
/// for them. Whoever counts or chooses instructions and entries has each by itself, and so has a
/// guest with breakpoints.
bool may_go_on(Vcpu& vcpu);

/// Has the guest take a #VC where it stands.
void raise_vc(Vcpu& vcpu, u64 exit_code);

} // namespace vestibule::sevsim
