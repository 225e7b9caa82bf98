// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the machine is, as far as CPU and hypervisor say, asked while the firmware's #VC handler is
// still in charge.
#pragma once

#include "efi/cc_blob.h"
#include "efi/config.h"
#include "efi/problem.h"
#include "x86/sev.h"

namespace vestibule::efi {

struct Machine {
    x86::SevStatus sev_status{}; // 0 where the CPU has no such register
    u64 c_bit            = 0;    // as CPUID has it; 0 without memory encryption
    u16 min_ghcb_version = 0;    // as the hypervisor says; 0 but under SEV-ES
    u16 max_ghcb_version = 0;
    CcBlob cc_blob; // of an SEV-SNP guest

    [[nodiscard]] bool is_snp() const { return sev_status.has(x86::SevStatus::snp); }
};

Machine look_at_machine();

/// Says in words what the machine is.
void show(const Machine& machine);

/// Whether the stub runs here, and the configuration allows it to. The stub itself finds out again
/// and trusts none of this, but it can only end the guest: here there are words for it. Of an
/// SEV-SNP guest it finds the pages of its launch.
Problem check_machine(Machine& machine, Mode mode);

} // namespace vestibule::efi
