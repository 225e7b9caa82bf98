// vCPU 0's GHCB: made shared, agreed on with the hypervisor, proved to be answered.
#pragma once

#include "boot/negotiation.h"
#include "ghcb/call.h"
#include "x86/cpu.h"

namespace vestibule::boot {

/// Opens the channel through the GHCB page for the protocol `version` that was negotiated. The page
/// is shared and empty afterwards and its address in the GHCB MSR.
///
/// `encryption` is what the MSR protocol answered for CPUID 0x8000001F: the page's first call asks
/// the same, and a hypervisor that does not give the same answer there does not see our page.
void open_ghcb(ghcb::Channel& channel, u16 version, u64 c_bit, const EncryptionLeaf& encryption);

/// Empties the page and names it in `channel` and in the GHCB MSR.
void announce_ghcb(ghcb::Channel& channel, u16 version);

/// The channel's first call, as above; ends the guest unless it is answered as expected.
void prove_ghcb(ghcb::Channel& channel, const EncryptionLeaf& encryption);

} // namespace vestibule::boot
