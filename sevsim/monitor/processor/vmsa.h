// SPDX-License-Identifier: BSD-2-Clause-Patent
// A vCPU's state between its VMSA, the page that SEV-ES and SEV-SNP keep it in, and the VMCB by
// which this machine runs it. A VMSA's first bytes are the VMCB's save area, which is how KVM makes
// one of the other; the rest are the registers that VMRUN leaves to software, and x87, SSE and AVX
// state, which stays in the processor here.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

void load_vmsa(Vcpu& vcpu, const x86::Vmsa& from);

void save_vmsa(Vcpu& vcpu, x86::Vmsa& to);

/// True where the vCPU has a state to run from at that VMPL.
bool has_vmpl(const Vcpu& vcpu, unsigned vmpl);

/// RUN_VMPL: puts the state away that it runs from, where its other VMPLs may look at it, and goes
/// on from the one of Vcpu::next_vmpl. Each VMPL has a GHCB of its own.
void change_vmpl(Vcpu& vcpu);

/// Whether VMRUN takes that VMSA: a validated page of the guest's that RMPADJUST has made one (APM
/// volume 2, section 15.36.11). Those of the launch are none of its memory.
bool vmrun_takes(u64 vmsa);

/// Loads the VMSA that AP creation has given it (Vcpu::next_vmsa).
void replace_state(Vcpu& vcpu);

/// Why a vCPU cannot run from this VMSA, in words; nullptr where it can (APM volume 2, sections
/// 15.5.1 and 15.36.5).
const char* vmsa_fault(const x86::Vmsa& vmsa);

} // namespace vestibule::sevsim
