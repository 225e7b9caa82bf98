// SPDX-License-Identifier: BSD-2-Clause-Patent
// The way to the hypervisor, and nothing else: what host tests replace by one that is played
// (tests/examiner).
#pragma once

#include "ghcb/page.h"

namespace vestibule::examiner {

/// The GHCB page by which all cases call, mapped shared, and its guest-physical address.
volatile ghcb::Page& page();
u64 page_gpa();

/// Takes this page from now on; a case that does gives it back.
void use_page(volatile ghcb::Page* page, u64 gpa);

/// One request of the MSR protocol; what the MSR holds behind VMGEXIT.
u64 exchange(u64 request);

/// VMGEXIT for the page, as it stands.
void call_by_page();

} // namespace vestibule::examiner
