// SPDX-License-Identifier: BSD-2-Clause-Patent
// What one vCPU can do to another through its local APIC, and what a hypervisor makes of it where
// it can neither read nor set the other's registers (GHCB specification, section 4.3): the first
// INIT and SIPI start a vCPU with the state that it was launched with, any other pair only ends a
// reset hold, and the vector means nothing to anyone but the guest.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// A write to the interrupt command register. False where it is the APIC's to deliver.
bool send_ipi(Vcpu& sender, u32 command);

/// The hypervisor's own INIT and SIPI, to whichever vCPU. False where there is none of that number.
bool force_init(u64 index);
bool force_startup(u64 index);

/// AP reset hold: comes back when a SIPI has come (GHCB specification, section 4.3).
void hold_until_sipi(Vcpu& vcpu);

/// Has a vCPU go on from a VMSA in guest memory (event_ap_creation.cpp): whatever it was doing, or
/// beside that, where it does it at another VMPL.
void start_vcpu(Vcpu& target, u64 gpa, const Vcpu& caller);

/// Before each entry of the guest: the NMI that is due.
void deliver_pending_nmi(Vcpu& vcpu);

/// Has the vCPU take an NMI now. They are masked from here to the guest's NMI complete, since an
/// SEV-ES guest's IRET tells the hypervisor nothing (GHCB specification, exit 0x80000003).
void inject_nmi(Vcpu& vcpu);

} // namespace vestibule::sevsim
