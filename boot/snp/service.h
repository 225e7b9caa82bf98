// SPDX-License-Identifier: BSD-2-Clause-Patent
// What an SVSM does for the stub below VMPL 0: pages that are loaded there alone (linker/stub.ld),
// so nothing in here may be called at VMPL 0.
#pragma once

#include "boot/snp/further_vcpu.h"
#include "snp/svsm.h"

namespace vestibule::boot {

/// PVALIDATE of what is mapped as it is.
ghcb::Outcome set_validated_by_service(const snp::Svsm& svsm, snp::Range range, bool validate);

/// The VMSA is filled; it is one afterwards, and no page of the guest's.
ghcb::Outcome make_vmsa_by_service(const snp::Svsm& svsm, const FurtherVcpu& vcpu);

/// A page that is to be a VMSA no more.
ghcb::Outcome take_back_vmsa_by_service(const snp::Svsm& svsm, u64 vmsa);

} // namespace vestibule::boot
