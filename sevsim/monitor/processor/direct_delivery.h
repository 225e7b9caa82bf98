// SPDX-License-Identifier: BSD-2-Clause-Patent
// The common case of delivering #VC, without a VMRUN for it.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Delivers #VC with `exit_code` as its error code, from 64-bit code at CPL 0 to a handler in the
/// same code segment, where all that the CPU would read and write for it is there and allowed (APM
/// volume 2, section 8.9). False, with nothing changed, in every other case.
bool deliver_directly(Vcpu& vcpu, u64 exit_code);

} // namespace vestibule::sevsim
