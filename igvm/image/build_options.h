// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a file is built for, beside what is in it.
#pragma once

#include "boot/attest/record.h"
#include "boot/entry_state.h"
#include "igvm/format/format.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <vector>

namespace vestibule::igvm {

struct BuildOptions {
    std::vector<PlatformType> platforms = {PlatformType::native, PlatformType::sev_es};
    unsigned c_bit                      = 51;
    /// Of the image; otherwise the first that is free.
    std::optional<u64> base = {}; // NOLINT(readability-redundant-member-init): may go unnamed
    boot::Entry entry       = boot::Entry::long64;
    u32 vcpus               = 1;
    u64 sev_features        = 1;        // of SEV-SNP's VMSAs: SNPActive
    u64 snp_policy          = 0x3'0000; // SMT allowed, and the bit that must be one
    bool memory_map         = false;    // a parameter area for it
    bool vp_count           = false;
    u64 memory              = u64{256} << 20; // of a guest that is told
    bool tells_memory       = false;          // a payload other than Linux is, too
    bool accepts_payload    = false;          // and no other memory, as an SEV-SNP guest
    u8 vmpl                 = 0;              // of an SEV-SNP guest; others have none
    bool direct_boot        = false; // the payload is boot/fw_cfg, which boots the monitor's kernel
    bool flash              = false; // laid out for a flash image, which no loader reads
    bool zeros_as_data      = false; // a page of zeros brings them: loaders differ on one without
    bool cpuid_leaves       = false; // the CPUID page says which leaves the loader is to fill in
    /// REPORT_DATA of the attestation report that an SEV-SNP guest is to have made.
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::optional<std::array<u8, boot::AttestRecord::data_size>> report_data = {};

    [[nodiscard]] bool is_for(PlatformType platform) const {
        return std::ranges::find(platforms, platform) != platforms.end();
    }
};

/// The platforms that images are built for.
bool is_buildable(PlatformType platform);

/// Why no file can be built with these options, if so.
std::optional<std::string> wrong_option(const BuildOptions& options);

} // namespace vestibule::igvm
