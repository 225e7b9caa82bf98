// Under SEV-SNP, memory that the launch did not load is the hypervisor's word only until the guest
// has accepted it: done here before the payload is entered.
#pragma once

#include "boot/hand_over/header.h"

namespace vestibule::boot {

/// Accepts what the file promises (boot/hand_over/snp_launch.h), and says in `told` what is
/// validated then. Ends the guest where that fails.
void accept_memory(BootInfo& told, const PayloadHeader& header);

/// Validated pages for the VMSAs of further vCPUs, one each, behind the image and
/// what the launch has put there: never at a multiple
/// of 2 MiB (snp/ap_creation.h).
u64 vmsa_pages(const BootInfo& info);

} // namespace vestibule::boot
