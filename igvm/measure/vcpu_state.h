// SPDX-License-Identifier: BSD-2-Clause-Patent
// The VMSA page of a vCPU as it is measured: what a monitor makes of one that it was given, and the
// one it makes up where it was given none.
#pragma once

#include "igvm/vmm/vmsa_effects.h"

#include <span>
#include <vector>

namespace vestibule::igvm {

/// The architectural reset vector: CS base 0xFFFF0000, RIP 0xFFF0.
inline constexpr u32 reset_vector = 0xFFFF'FFF0;

struct ResetVcpu {
    u32 start_address;
    u32 cpu_signature;
    u64 sev_features;
    bool has_fpu = true; // FPU control words have their reset values
};

x86::Vmsa reset_vmsa(const ResetState& state, const ResetVcpu& vcpu);

struct VmsaChange {
    const VmsaEffect* effect;
    u64 offset; // of the first byte concerned, in the VMSA
    u64 before; // the eight bytes there, or as many as the field has left
    u64 after;
};

/// Takes a VMSA through a monitor and KVM; returns what they alter, and refuse (there, `after` is
/// the value they insist on).
std::vector<VmsaChange> pass_through(x86::Vmsa& vmsa, Vmm vmm, PlatformType platform);

} // namespace vestibule::igvm
