// SPDX-License-Identifier: BSD-2-Clause-Patent
// The other side: what a hypervisor does with VMGEXIT. Written from the specification and not from
// ghcb/, so that one misreading does not hide on both sides.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"
#include "x86/sev.h"

namespace vestibule::sevsim {

/// Serves what the GHCB MSR says (GHCB specification, section 2.3). The guest goes on behind its
/// VMGEXIT, unless that ended it.
void serve_vmgexit(Vcpu& vcpu);

/// The value of the GHCB MSR at reset: SEV information, so that a guest can read it without asking.
u64 ghcb_msr_at_reset(const Options& options);

/// The features that a guest is told of (section 2.3.1, request 0x080, and exit 0x8000FFFD). All
/// that there are belong to SEV-SNP: SEV-SNP itself, AP creation, restricted injection where the
/// guest has asked for it, the list of APIC IDs, and VMPLs.
constexpr u64 hypervisor_features(const Options& options) {
    const bool restricted = (options.sev_features & x86::SevFeatures::restricted_injection) != 0;
    return options.is_snp() ? bit(0) | bit(1) | (restricted ? bit(2) : 0) | bit(4) | bit(5) : 0;
}

/// What a guest that asks for the AP jump table is told, as long as none has set another: what its
/// firmware would have set.
void set_ap_jump_table(u64 gpa);

/// A call through the GHCB page at a guest-physical address (section 4).
void serve_ghcb_page(Vcpu& vcpu, u64 gpa);

/// One that is left unanswered.
void pass_over_ghcb_page(u64 gpa);

} // namespace vestibule::sevsim
