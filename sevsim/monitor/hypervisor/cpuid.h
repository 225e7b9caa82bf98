// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the emulated processor is, as CPUID tells its guest.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

/// As the hypervisor answers, which may be a lie.
x86::CpuidResult guest_cpuid(Vcpu& vcpu, u32 leaf, u32 subleaf);

/// As the processor is: what a secure processor vouches for.
x86::CpuidResult honest_cpuid(Vcpu& vcpu, u32 leaf, u32 subleaf);

} // namespace vestibule::sevsim
