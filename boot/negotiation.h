// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which machine this is, as far as the CPU, the measured image and the hypervisor agree.
#pragma once

#include "boot/boot_info.h"
#include "ghcb/identify.h"
#include "x86/sev.h"

namespace vestibule::boot {

struct Machine {
    Platform platform               = Platform::native;
    x86::SevStatus sev_status       = {};
    u16 ghcb_version                = 0;
    ghcb::EncryptionLeaf encryption = {}; // on an SEV-ES machine
};

/// Holds what the image was measured for (`c_bit`, 0 for a native machine) against SEV_STATUS, and
/// on an SEV-ES machine also against the hypervisor's words; ends the guest on any contradiction.
Machine identify_machine(u64 c_bit);

} // namespace vestibule::boot
