// SPDX-License-Identifier: BSD-2-Clause-Patent
// A kernel that the guest is to boot itself, by fw_cfg: its hashes, which the launch measures, and
// the files behind the device. QEMU does so for firmware, cloud-hypervisor for IGVM files.
#pragma once

#include "sevsim/monitor/loading/loader.h"

namespace vestibule::sevsim {

/// Puts the hashes where the guest wants them and offers the files; does nothing where there is no
/// kernel. To be called when the guest's pages have been loaded. Ends the run where the guest wants
/// the hashes outside of its memory.
void prepare_direct_boot(Vcpu& vcpu, const GuestFiles& files);

} // namespace vestibule::sevsim
