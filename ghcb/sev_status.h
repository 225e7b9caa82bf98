// SPDX-License-Identifier: BSD-2-Clause-Patent
// SEV_STATUS held against what the code was made for.
#pragma once

#include "ghcb/outcome.h"
#include "x86/sev.h"

namespace vestibule::ghcb {

/// SECURITY: code that was measured for SEV-ES must not run on as if on a native machine, where it
/// would keep its secrets in shared memory. So `for_sev_es` is what was measured, not what is seen.
constexpr Outcome judge_status(x86::SevStatus status, bool for_sev_es) {
    using x86::SevStatus;
    constexpr u64 sev_and_es = SevStatus::sev | SevStatus::sev_es;
    if (!for_sev_es) {
        return status.has(SevStatus::sev) ? Outcome::terminate(reason::sev_unexpected)
                                          : Outcome::done();
    }
    if (!status.has(sev_and_es)) {
        return Outcome::terminate(reason::sev_es_expected);
    }
    return status.beyond(sev_and_es | SevStatus::transparent) == 0
               ? Outcome::done()
               : Outcome::terminate(reason::feature_unsupported);
}

/// The same for code that was entered as an SEV-SNP guest's.
constexpr Outcome judge_snp_status(x86::SevStatus status) {
    using x86::SevStatus;
    constexpr u64 all = SevStatus::sev | SevStatus::sev_es | SevStatus::snp;
    if (!status.has(all)) {
        return Outcome::terminate(reason::snp_expected);
    }
    return status.beyond(all | SevStatus::transparent) == 0
               ? Outcome::done()
               : Outcome::terminate(reason::feature_unsupported);
}

} // namespace vestibule::ghcb
