// SPDX-License-Identifier: BSD-2-Clause-Patent
// Further vCPUs of an SEV-SNP guest: each gets a VMSA that the guest has made, so that neither the
// launch nor the hypervisor decides where it begins.
#pragma once

#include "boot/hand_over/header.h"

namespace vestibule::boot {

/// From the pages that accept_memory() has set apart. Each vCPU starts at its INIT, on the stub's
/// page tables, and looks at the mailbox like one that comes out of AP reset hold
/// (boot/hand_over/ap.asm). Where the hypervisor does not offer that, they start from their
/// measured contexts, as under SEV-ES; below VMPL 0 there are none, and they do not start.
void create_aps(BootInfo& told, const PayloadHeader& header);

} // namespace vestibule::boot
