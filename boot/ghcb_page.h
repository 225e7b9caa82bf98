// SPDX-License-Identifier: BSD-2-Clause-Patent
// vCPU 0's GHCB: made shared, agreed on with the hypervisor, proved to be answered.
#pragma once

#include "boot/negotiation.h"
#include "ghcb/open.h"
#include "x86/cpu.h"

namespace vestibule::boot {

/// Opens the channel through the GHCB page for the protocol `version` that was negotiated. The page
/// is shared and empty afterwards and its address in the GHCB MSR. Ends the guest where the page is
/// not answered as the MSR protocol was.
void open_ghcb(ghcb::Channel& channel, u16 version, u64 c_bit,
               const ghcb::EncryptionLeaf& encryption);

/// The channel of the page, mapped as it was loaded: private.
ghcb::Channel unopened_channel(u16 version);

} // namespace vestibule::boot
