// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where a hostile hypervisor lies (sevsim/lies.h names the lies). Every answer passes here on its
// way to the guest, so that a lie is told in one place and the rest of the hypervisor stays honest.
#pragma once

#include "sevsim/monitor/options.h"
#include "x86/cpu.h"

namespace vestibule::sevsim {

/// Is this lie told now? The trace says so then.
bool tells(const Options& options, Lie lie);

/// Counts one of the moments that lies of this kind choose from; the lie of the plan that has
/// chosen this one, and is told, or nullptr.
const Hostility* told_now(const Options& options, Lie lie);

/// What the guest is told the C-bit's position is, by SEV information.
unsigned told_c_bit_position(const Options& options);

/// What the guest is told that CPUID `leaf` returns.
x86::CpuidResult told_cpuid(const Options& options, u32 leaf, x86::CpuidResult honest);

/// Changes the register that a lie about CPUID names.
void flip_register(x86::CpuidResult& result, const Hostility& lie);

/// What the guest finds in the GHCB MSR after a CPUID request.
u64 told_cpuid_response(const Options& options, u64 honest);

/// Whether the guest's accesses to this MSR are intercepted although an honest hypervisor leaves it
/// alone; and what it is told that the register holds.
bool takes_msr(const Options& options, u32 number);

/// From here on it is, where this lie of the plan, Lie::msr_within, waited for its place.
void take_msr(const Options& options, const Hostility& lie);
inline constexpr u64 forged_msr_value = 0x0000'5A5A'0F0F'1234;

/// What the guest is told that the hypervisor can do.
u64 told_features(const Options& options);

/// What the guest is told that a port holds.
u32 told_port_value(const Options& options, u16 port, u32 honest);

} // namespace vestibule::sevsim
