// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the hypervisor offers (GHCB specification, section 2.3.1, MSR protocol 0x080, and exit
// 0x8000FFFD).
#pragma once

#include "ghcb/call.h"

namespace vestibule::snp {

namespace feature {
inline constexpr u64 snp         = bit(0);
inline constexpr u64 ap_creation = bit(1);
} // namespace feature

/// By the GHCB page.
template <class Cpu>
ghcb::Outcome ask_features(ghcb::Channel& channel, u64& features) {
    ghcb::Call<Cpu> call{channel};
    const ghcb::Answer answer = call.exit(x86::ExitCode::hv_features, 0, 0, ghcb::registers::none);
    if (!answer.outcome.is_done()) {
        return answer.outcome;
    }
    return call.answered_exitinfo2(features)
               ? ghcb::Outcome::done()
               : ghcb::Outcome::terminate(ghcb::reason::ghcb_missing_output);
}

} // namespace vestibule::snp
