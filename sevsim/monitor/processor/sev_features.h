// SPDX-License-Identifier: BSD-2-Clause-Patent
// SEV_FEATURES of a VMSA (APM volume 2, section 15.36 and table B-4): each either works on this
// machine or is refused by its name.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Why a VMSA with these features cannot be launched, in words; nullptr where it can.
const char* refused_feature(const Options& options, u64 features);

/// What the vCPU's features change of how it runs.
void apply_features(Vcpu& vcpu);

} // namespace vestibule::sevsim
