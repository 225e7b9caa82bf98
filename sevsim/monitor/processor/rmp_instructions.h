// SPDX-License-Identifier: BSD-2-Clause-Patent
// PVALIDATE, RMPADJUST and RMPQUERY (APM volume 3): how a guest changes and reads its part of the
// reverse map table. QEMU's processor does not know them and raises #UD, which is intercepted.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// One of them, or a #UD of the guest's own, which it gets.
void handle_invalid_opcode(Vcpu& vcpu);

/// How often PVALIDATE was executed.
u64 pvalidate_count();

} // namespace vestibule::sevsim
