// What the emulated processor is, as CPUID tells its guest.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

x86::CpuidResult guest_cpuid(Vcpu& vcpu, u32 leaf, u32 subleaf);

} // namespace vestibule::sevsim
