// SPDX-License-Identifier: BSD-2-Clause-Patent
// The attestation report (SEV-SNP firmware ABI, 56860, section 7.3): what the launch was, for whom
// the guest asks, and the secure processor's signature over it.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

inline constexpr u64 report_size = 0x4A0;

/// What the guest says of the report that it wants: MSG_REPORT_REQ.
struct ReportRequest {
    u8 report_data[64];
    u32 vmpl;
    u32 key_selection; // [1:0]: 0 the one there is, 1 VCEK, 2 VLEK
    u8 reserved[24];
};

static_assert(sizeof(ReportRequest) == 96);

/// Writes `report_size` bytes. False where the key that is asked for is not there.
bool write_report(const ReportRequest& request, u8* bytes);

} // namespace vestibule::sevsim
