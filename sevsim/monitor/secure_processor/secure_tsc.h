// SPDX-License-Identifier: BSD-2-Clause-Patent
// Secure TSC (APM volume 2, section 15.36.18; SNP firmware ABI 56860, MSG_TSC_INFO): the guest's
// time-stamp counter is the processor's, times GUEST_TSC_SCALE, plus GUEST_TSC_OFFSET, both in the
// VMSA, where no hypervisor reaches them. The firmware chooses them at the launch.
//
// This machine has one clock and cannot scale it, so the scale is 1, and a VMSA with another one is
// refused. The counter begins at the launch.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

#include <span>

namespace vestibule::sevsim::secure_tsc {

/// GUEST_TSC_SCALE, with 32 bits behind the point.
inline constexpr u64 scale = u64{1} << 32;

bool is_on(const Options& options);

/// What the firmware does at the end of a launch. `khz` is the counter's frequency, 0 where it is
/// not known.
void launch(std::span<Vcpu> vcpus, u64 khz);

/// GUEST_TSC_OFFSET of the launch; 0 without a secure TSC.
u64 launch_offset();

/// MSR GUEST_TSC_FREQ: MHz in [17:0].
u64 frequency();

/// Why a vCPU cannot run from this VMSA, in words; nullptr where it can.
const char* fault(const x86::Vmsa& vmsa);

/// The counter of a vCPU that runs from this VMSA from now on.
void load(Vcpu& vcpu, const x86::Vmsa& vmsa);

/// The reverse.
void save(const Vcpu& vcpu, x86::Vmsa& vmsa);

} // namespace vestibule::sevsim::secure_tsc
