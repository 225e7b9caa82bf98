// SPDX-License-Identifier: BSD-2-Clause-Patent
// The causes that lie in a VMSA; part of causes.h.
#pragma once

#include "igvm/explain/causes.h"

namespace vestibule::igvm {

std::vector<Cause> vmsa_causes();

} // namespace vestibule::igvm
