// SPDX-License-Identifier: BSD-2-Clause-Patent
// The exits of a plain SEV guest: its memory is encrypted, its registers are not. No instruction
// raises #VC; the hypervisor does in its place what it has intercepted, and writes the outcome into
// the guest's registers, as for any other guest (APM volume 2, section 15.34).
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

void execute_cpuid(Vcpu& vcpu);
void execute_msr(Vcpu& vcpu);
void execute_port(Vcpu& vcpu);
void execute_rdpmc(Vcpu& vcpu);
void execute_vmmcall(Vcpu& vcpu);

/// WBINVD and INVD: caches are not modelled.
void execute_cache_flush(Vcpu& vcpu);

/// An instruction that CPUID does not offer.
void refuse_instruction(Vcpu& vcpu);

/// MMIO, to be executed again: the device's own page is put there. Ends the run where no device
/// can be.
void execute_mmio(Vcpu& vcpu);

/// True where what the guest writes to is its flash, which the hypervisor then does.
bool execute_flash_write(Vcpu& vcpu);

} // namespace vestibule::sevsim
