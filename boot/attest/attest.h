// SPDX-License-Identifier: BSD-2-Clause-Patent
// An attestation report for the payload, which then needs no code of its own for the secure
// processor. The code is in pages that igvmtool loads only where a report is wanted.
#pragma once

#include "boot/attest/record.h"
#include "boot/boot_info.h"

#pragma GCC visibility push(hidden) // no address of it through a table that needs relocating
extern "C" const vestibule::boot::AttestRecord attest_record;
#pragma GCC visibility pop

namespace vestibule::boot {

/// Asks for the report over the record's data, with certificates, by the VMPCK of this code's VMPL,
/// and says in `told` where they are. Ends the guest where there is no report; a host without
/// certificates, or with more than there is room for, is none of those.
void attest(BootInfo& told);

} // namespace vestibule::boot
