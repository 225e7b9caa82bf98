// SPDX-License-Identifier: BSD-2-Clause-Patent
// Registration of a vCPU's GHCB page (GHCB specification, section 2.3.2, MSR protocol 0x012): the
// hypervisor may answer no call through another page. The page is shared before.
#pragma once

#include "ghcb/msr_protocol.h"
#include "ghcb/outcome.h"

namespace vestibule::snp {

/// The GHCB MSR holds the page's address afterwards.
template <class Cpu>
ghcb::Outcome register_ghcb(u64 gpa) {
    namespace msr_protocol = ghcb::msr_protocol;
    const u64 answer       = msr_protocol::exchange<Cpu>(gpa | msr_protocol::register_ghcb_request);
    Cpu::wrmsr(x86::Msr::ghcb, gpa);
    // The very page in the answer; all ones is how a hypervisor refuses one.
    return answer == (gpa | msr_protocol::register_ghcb_response)
               ? ghcb::Outcome::done()
               : ghcb::Outcome::terminate(ghcb::reason::snp_registration);
}

} // namespace vestibule::snp
