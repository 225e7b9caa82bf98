// SPDX-License-Identifier: BSD-2-Clause-Patent
// The table that `sevsim run --profile` prints: what each kind of #VC cost the guest.
#pragma once

#include "sevsim/records.h"

#include <string>

namespace vestibule::sevsim {

/// Empty where nothing was profiled.
std::string profile_table(const RunRecords& records);

} // namespace vestibule::sevsim
