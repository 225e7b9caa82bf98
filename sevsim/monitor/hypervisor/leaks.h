// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the hypervisor can see and was not to: fields of the GHCB page that a call does not take,
// registers of the interrupted code that its exit does not show, and a secret that was planted in
// the guest. A guest needs to know nothing of it, but for the secret in its memory.
#pragma once

#include "sevsim/monitor/hypervisor/ghcb_view.h"
#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim::leaks {

/// A #VC is delivered: what the registers hold now is the guest's own.
void note_registers(Vcpu& vcpu);

/// A call through the GHCB page, which takes these fields. `takes_buffer`: data of the guest's too,
/// from wherever it has them.
void look_at_call(Vcpu& vcpu, u64 gpa, const char* name, Fields taken, bool takes_buffer);

/// What the page holds now the hypervisor knows.
void note_page(const Options& options, u64 gpa, const u8* page);

/// The hypervisor has put something into a shared page, behind an answer: if it is the one that was
/// served last, then what that holds now is nothing of the guest's.
void note_change(const Options& options, u64 gpa, const u8* page);

/// A value that the guest shows otherwise: to a port, or in its MSR.
void look_at_value(const Options& options, u64 value, const char* what);

/// The run ends, by the guest's choice or not: all memory that the hypervisor can read.
void look_at_end(const Options& options, bool is_in_good_order);

/// Puts the secret (Options::canary) in the place of `placeholder` wherever that stands in a page
/// that is loaded, at a multiple of 16 bytes.
void plant(const Options& options, u8* page);

/// Puts it into the vector registers of the processor that this runs on, which the guest starts
/// with.
void plant_in_vector_registers(const Options& options);

/// 16 bytes.
inline constexpr char placeholder[] = "vestibule-canary";

} // namespace vestibule::sevsim::leaks
