// SPDX-License-Identifier: BSD-2-Clause-Patent
// A further vCPU of an SEV-SNP guest: its state is made here, and it is started with that.
#pragma once

#include "boot/boot_info.h"
#include "snp/ap_creation.h"

namespace vestibule::boot {

struct FurtherVcpu {
    u32 apic_id;
    u64 vmsa;     // a page of zeros, mapped as it is, not at a multiple of 2 MiB
    u64 area;     // below VMPL 0 its calling area, a page of zeros too
    u64 entry;    // in 64-bit mode, on this vCPU's page tables, without a stack
    u64 argument; // in RDI
};

/// Its state, at that VMPL. With the payload's part (boot/CMakeLists.txt), where there is room.
void fill_vmsa(const FurtherVcpu& vcpu, u8 vmpl);

/// At the VMPL that this code runs at: by RMPADJUST at VMPL 0, by the service below.
ghcb::Outcome create_vcpu(const FurtherVcpu& vcpu, snp::ApRequest request);

} // namespace vestibule::boot
