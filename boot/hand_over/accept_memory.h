// SPDX-License-Identifier: BSD-2-Clause-Patent
// Under SEV-SNP, memory that the launch did not load is the hypervisor's word only until the guest
// has accepted it: done here before the payload is entered.
#pragma once

#include "boot/hand_over/header.h"
#include "snp/acceptance.h"

namespace vestibule::boot {

/// Accepts what the file promises (boot/hand_over/snp_launch.h), and says in `told` what is
/// validated then. Ends the guest where that fails.
void accept_memory(BootInfo& told, const PayloadHeader& header);

/// Validated pages for further vCPUs, behind the image and what the launch has put there: for the
/// VMSA of each, never at a multiple of 2 MiB (snp/ap_creation.h), and below VMPL 0 behind those
/// for the calling area of each.
snp::Range vcpu_pages(const BootInfo& info, const PayloadHeader& header);

} // namespace vestibule::boot
