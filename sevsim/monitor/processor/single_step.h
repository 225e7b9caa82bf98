// SPDX-License-Identifier: BSD-2-Clause-Patent
// One instruction of the guest's, executed by the CPU although it is intercepted.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Executes the instruction at RIP, with none of the intercepts of CR0; false where something else
/// came first, so that it is still to be executed.
bool step_instruction(Vcpu& vcpu);

/// For instructions that read or write CR0 by an operand in memory (SMSW, LMSW): the CPU finds it,
/// with the faults that it may raise. What comes of it is the guest's as it would have been; where
/// something else comes first, the instruction is still to be executed.
void step_over_intercepts(Vcpu& vcpu);

} // namespace vestibule::sevsim
