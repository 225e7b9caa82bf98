// SPDX-License-Identifier: BSD-2-Clause-Patent
// The other side of the examiner's conversations, played: what vmgexit.h and machine.h are in the
// guest, with memory that is nobody's and a hypervisor that is a function.
#pragma once

#include "examiner/machine.h"

#include <functional>
#include <string>

namespace vestibule::examiner::played {

/// Answers a request of the MSR protocol; the answer is what the MSR holds.
extern std::function<u64(u64 request)> answer_msr;

/// Answers what stands in the page.
extern std::function<void(volatile ghcb::Page& page)> answer_page;

/// What the examiner has written to the serial port.
extern std::string console;

/// A page, a guest of that platform, and a hypervisor that does what it is asked and gives nothing.
void begin(boot::Platform platform);

} // namespace vestibule::examiner::played
