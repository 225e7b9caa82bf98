// SPDX-License-Identifier: BSD-2-Clause-Patent
// Attacks at an instruction: from the delivery of a chosen #VC on, or from a chosen VMGEXIT on, the
// guest is single-stepped, until it stands where the event is to come, or its GHCB page to change
// (sevsim/lies.h: vc-within, event-within, event-walk, msr-within, field-race).
// A real hypervisor steps its guest by timer interrupts, and sees no more of it than that it has
// come out.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// A #VC of that exit code was delivered: the guest stands at its handler's first instruction.
void note_delivered_vc(const Options& options, u64 exit_code);

/// The guest has executed VMGEXIT, and stands behind it.
void note_vmgexit(Vcpu& vcpu);

/// Before an entry of the guest: has it take the event if it stands at the place, or sees to it
/// that it comes out behind one instruction if it is on its way there.
void attack_at_place(Vcpu& vcpu);

/// After it: true where there is nothing more to do about why it came out.
bool end_step(Vcpu& vcpu);

/// Behind whatever was done about it: the guest may have an instruction behind it that was done in
/// its place.
void count_emulated_step(Vcpu& vcpu);

} // namespace vestibule::sevsim
