// SPDX-License-Identifier: BSD-2-Clause-Patent
// The scratch area of a call: where data lies that fits in no register (GHCB specification, section
// 2.2 and SW_SCRATCH).
#pragma once

#include "sevsim/monitor/hypervisor/ghcb_view.h"
#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// The most that the scratch area of a version 1 call holds: what KVM allows.
inline constexpr u64 scratch_limit = 16384;

/// `size` bytes at SW_SCRATCH in the shared view, or nullptr where the area may not lie there:
/// inside the GHCB page it must be the shared buffer; outside, which version 2 forbids, it must be
/// memory.
u8* find_scratch(Vcpu& vcpu, const GhcbView& ghcb, u64 size);

} // namespace vestibule::sevsim
