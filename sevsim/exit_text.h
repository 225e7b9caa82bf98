// SPDX-License-Identifier: BSD-2-Clause-Patent
// An exit as one would write it in assembly, "out 0x3f8, 'H'": SW_EXITINFO1 and what goes with it,
// decoded (GHCB specification, section 4.1; APM volume 2, section 15.10.2 for IOIO).
#pragma once

#include "sevsim/trace_record.h"

#include <string>

namespace vestibule::sevsim {

/// Of a record "vc" or "vmgexit".
std::string exit_text(const TraceRecord& record);

/// What the hypervisor has answered to such a VMGEXIT, " -> 0x60"; empty where there is nothing to
/// say.
std::string answer_text(const TraceRecord& record);

} // namespace vestibule::sevsim
