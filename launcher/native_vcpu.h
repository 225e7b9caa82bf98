// SPDX-License-Identifier: BSD-2-Clause-Patent
// A vCPU's first registers where there is no VMSA (igvm_defs, "native VP context").
#pragma once

#include "igvm/format/vp_context.h"
#include "launcher/interface.h"

namespace vestibule::launcher {

void set_registers(Calls& calls, int vcpu, const igvm::NativeVpContext& context);

} // namespace vestibule::launcher
