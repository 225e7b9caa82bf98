// SPDX-License-Identifier: BSD-2-Clause-Patent
// Whether a report is what its reader asks for, by a policy in JSON:
//   {"minimum_tcb": {"bl": 4, "tee": 0, "snp": 22, "ucode": 213}, "allowed_policy": ["smt"],
//    "vmpl": 0, "measurement": ["…"], "host_data": "…", "report_data": "…", "id_key_digest": ["…"],
//    "author_key_digest": ["…"], "family_id": "…", "image_id": "…", "minimum_guest_svn": 3,
//    "minimum_version": 3, "signing_key": "vcek", "chip_id": ["…"], "platform": {"smt": false},
//    "mitigations": "0x1"}
// What it does not name it does not ask for; a name that is not known is an error, since it would
// ask for nothing.
#pragma once

#include "igvm/report/chain.h"

namespace vestibule::igvm {

/// A line for each demand, or why this is no policy.
std::expected<std::vector<ReportCheck>, std::string>
check_policy(const AttestationReport& report, CpuGeneration generation, std::string_view policy);

} // namespace vestibule::igvm
