// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a file is built for, beside what is in it.
#pragma once

#include "boot/attest/record.h"
#include "boot/entry_state.h"
#include "boot/hand_over/header.h"
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
    /// What of it lies below the devices that a PC has up to 4 GiB; otherwise as QEMU's pc has it.
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::optional<u64> memory_below_4g = {};
    bool tells_memory                  = false; // a payload other than Linux is, too
    bool accepts_payload               = false; // and no other memory, as an SEV-SNP guest
    u8 vmpl                            = 0;     // of an SEV-SNP guest; others have none
    bool direct_boot   = false; // the payload is boot/fw_cfg, which boots the monitor's kernel
    bool flash         = false; // laid out for a flash image, which no loader reads
    bool zeros_as_data = false; // a page of zeros brings them: loaders differ on one without
    bool cpuid_leaves  = false; // the CPUID page says which leaves the loader is to fill in
    /// REPORT_DATA of the attestation report that an SEV-SNP guest is to have made.
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::optional<std::array<u8, boot::AttestRecord::data_size>> report_data = {};

    /// How much of the memory lies from 0 on. The rest lies from 4 GiB on.
    [[nodiscard]] u64 below_4g() const;

    /// RAM as a PC has it, in ascending order, apart.
    [[nodiscard]] std::vector<boot::MemoryRange> ram() const;

    [[nodiscard]] bool is_for(PlatformType platform) const {
        return std::ranges::find(platforms, platform) != platforms.end();
    }
};

inline constexpr u64 four_gib = u64{4} << 30;

/// As much as sevlaunch gives.
inline constexpr u64 most_memory = u64{1} << 40;

/// A PC has its I/O APIC there, and devices from there up to 4 GiB at least.
inline constexpr u64 most_memory_below_4g = 0xFEC0'0000;

/// The platforms that images are built for.
bool is_buildable(PlatformType platform);

/// Why no file can be built with these options, if so.
std::optional<std::string> wrong_option(const BuildOptions& options);

} // namespace vestibule::igvm
