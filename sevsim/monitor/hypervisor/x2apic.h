// SPDX-License-Identifier: BSD-2-Clause-Patent
// x2APIC (APM volume 2, section 16.11): the local APIC by MSRs, on a processor that has it by MMIO
// only. QEMU 7.2's TCG knows no other.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// What a write of x2APIC's interrupt command register does, by whatever way it was asked for.
void write_interrupt_command(Vcpu& vcpu, u64 value);

inline constexpr u32 apic_base_msr = 0x0000'001B;

constexpr bool is_x2apic_msr(u32 number) { return number >= 0x800 && number <= 0x8FF; }

/// APIC_BASE as the vCPU sees it.
u64 read_apic_base(const Vcpu& vcpu);

/// Changes the mode (APM volume 2, section 16.9); the address stays. False for #GP: a transition
/// that there is not, or x2APIC where CPUID does not offer it.
bool write_apic_base(Vcpu& vcpu, u64 value);

/// A register of the vCPU's x2APIC, by its MSR. False for #GP: outside x2APIC mode, and where there
/// is none that could be read or written so.
bool read_x2apic(Vcpu& vcpu, u32 number, u64& value);
bool write_x2apic(Vcpu& vcpu, u32 number, u64 value);

} // namespace vestibule::sevsim
