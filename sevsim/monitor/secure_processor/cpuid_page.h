// SPDX-License-Identifier: BSD-2-Clause-Patent
// The page of type CPUID (SEV-SNP firmware ABI, 56860, section 8.17.2.6): CPUID as the guest may
// believe it, since the secure processor has held it against the processor.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// What the hypervisor puts into it and the secure processor lets pass: no lies.
void fill_cpuid_page(Vcpu& vcpu, u8* page);

} // namespace vestibule::sevsim
