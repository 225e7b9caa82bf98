// SPDX-License-Identifier: BSD-2-Clause-Patent
// What SEV-SNP firmware tells of its launch: a table in EFI's configuration with the places of the
// CPUID page and the secrets page (struct cc_blob_sev_info of OVMF and Linux).
#pragma once

#include "efi/problem.h"
#include "x86/types.h"

namespace vestibule::efi {

struct CcBlob {
    u64 cpuid_page   = 0;
    u64 secrets_page = 0;
};

Problem find_cc_blob(CcBlob& found);

} // namespace vestibule::efi
