// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which VMPL the stub runs at, and who does for it what is VMPL 0's to do: the instruction there,
// the SVSM below it.
#pragma once

#include "boot/boot_info.h"
#include "snp/acceptance.h"
#include "snp/svsm.h"

namespace vestibule::boot {

/// On the stub's page tables. Ends the guest where secrets page and processor differ: an SVSM that
/// nobody runs, or none where this is not VMPL 0.
void find_vmpl(BootInfo& told);

/// The SVSM; its `vmpl` is the stub's, 0 where there is none.
const snp::Svsm& service();

/// PVALIDATE of what is mapped as it is, 2 MiB at once where it can be.
ghcb::Outcome set_validated(snp::Range range, bool validate);

} // namespace vestibule::boot
