// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC in an SEV-SNP guest, from the stub's first C++ on: CPUID from the CPUID page, all else as
// under SEV-ES.
#pragma once

#include "snp/cpuid_answer.h"

namespace vestibule::boot {

/// Sends #VC to this handler: after install_early_handlers(), and again after
/// install_runtime_handler(). The page is checked by then (open_cpuid_table).
void install_snp_handler();

/// Checks the CPUID page, and from then on it is what CPUID gives. Ends the guest where it is not
/// to be believed.
const snp::CpuidTable& open_cpuid_table(u64 c_bit);

} // namespace vestibule::boot
