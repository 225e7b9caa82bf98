// SPDX-License-Identifier: BSD-2-Clause-Patent
// The MSRs that the hypervisor serves. QEMU reads unknown ones as zero; this machine raises #GP for
// what is not in its table, as KVM does. The local APIC's are x2apic.h's.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// False where the access is a #GP.
bool read_guest_msr(Vcpu& vcpu, u32 number, u64& value);
bool write_guest_msr(Vcpu& vcpu, u32 number, u64 value);

} // namespace vestibule::sevsim
