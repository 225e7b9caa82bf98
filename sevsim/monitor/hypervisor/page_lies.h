// SPDX-License-Identifier: BSD-2-Clause-Patent
// Lies about what stands in the GHCB page, by place and not by meaning: any field, valid bit or
// byte of the shared buffer, in the N-th answer or between two of the guest's reads of it. They are
// told behind all others, to an answer that is finished.
#pragma once

#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Changes memory of at least a page by a WORD of FLIPS (sevsim/lies.h).
void flip(u8* page, u64 word);

/// As which event this call is served.
const Event& served_event(const Options& options, const Event& asked);

/// Whether this call is served twice.
bool is_served_twice(const Options& options);

/// The page holds an answer, to what `ghcb` has of the call.
void lie_about_page(const Options& options, const GhcbView& ghcb, u8* page);

/// What a guest finds in the GHCB MSR: the answer, or something else.
u64 told_msr_answer(const Options& options, u64 honest);

} // namespace vestibule::sevsim
