// SPDX-License-Identifier: BSD-2-Clause-Patent
// What igvmtool tells an SEV-SNP guest of the attestation report that it is to have made: a record
// in the pages that only such a guest's files have (linker/stub.ld), measured with them.
//
// SECURITY: a report vouches for REPORT_DATA only as far as nobody but measured code had a say in
// it. So the 64 bytes are part of the launch: a hypervisor that puts in a key of its own gets
// another launch digest.
#pragma once

#include "x86/types.h"

namespace vestibule::boot {

struct AttestRecord {
    static constexpr u32 current_version = 1;
    static constexpr u64 data_size       = 64;

    u32 version; // in the image as it is linked
    u32 wanted;  // 0: the code that asks for a report was not loaded
    u8 report_data[data_size];
    u32 vcpus; // that the file starts: for the selftest, which has no other record
    u32 reserved;
};

static_assert(sizeof(AttestRecord) == 80);

} // namespace vestibule::boot
