// SPDX-License-Identifier: BSD-2-Clause-Patent
// The hypervisor is honest up to one of the guest's VMGEXITs (Options::from). There the host has
// time to keep the machine, and says what the hypervisor does from there on: a file of fw_cfg's, so
// that it need not be known when the machine is started, and so that all that was before is the
// same whatever it says.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// The guest stands at a VMGEXIT.
void come_to_vmgexit(Vcpu& vcpu);

} // namespace vestibule::sevsim
