// The MSRs that the hypervisor serves. QEMU reads unknown ones as zero; this machine raises #GP for
// what is not in its table, as KVM does.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// False where the access is a #GP.
bool read_guest_msr(u32 number, u64& value);
bool write_guest_msr(u32 number, u64 value);

} // namespace vestibule::sevsim
