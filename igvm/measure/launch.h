// SPDX-License-Identifier: BSD-2-Clause-Patent
// A launch: what the AMD secure processor is given to measure, step by step, on one platform by one
// monitor. It is computed from an IGVM file (igvm_launch.h) or a firmware volume
// (firmware_launch.h) and measured by launch_digest.h.
#pragma once

#include "igvm/format/error.h"
#include "igvm/vmm/profiles.h"

#include <deque>
#include <expected>
#include <optional>
#include <span>
#include <string>
#include <vector>

namespace vestibule::igvm {

/// Pages that are measured alike, one after another in guest memory.
struct Step {
    PageType type;
    u64 gpa;
    u64 pages = 1; // more than one only without data
    /// One page on SNP, any length on SEV and SEV-ES; empty for zeros. Of types that are not hashed
    /// it counts for nothing.
    std::span<const u8> data{}; // NOLINT(readability-redundant-member-init): may go unnamed
    std::string_view what;      // a page's origin in words
    u32 header_index = Error::no_header; // of the directive behind it
    u32 vcpu         = 0;                // of a VMSA

    bool operator==(const Step& other) const {
        return type == other.type && gpa == other.gpa && pages == other.pages
               && data.data() == other.data.data() && data.size() == other.data.size();
    }
};

/// Refers to the bytes of the file it was computed from, which must outlive it.
struct Launch {
    Launch()                             = default;
    Launch(Launch&&) noexcept            = default;
    Launch& operator=(Launch&&) noexcept = default;
    Launch(const Launch&)                = delete; // its steps refer to `owned`
    Launch& operator=(const Launch&)     = delete;
    ~Launch()                            = default;

    PlatformType platform{};
    std::vector<Step> steps;
    std::deque<std::vector<u8>> owned; // data that lies in no file: VMSAs, tables of hashes
    std::vector<std::string> notes;    // what the monitor alters, ignores or would refuse
};

struct LaunchOptions {
    PlatformType platform = PlatformType::sev_snp;
    VmmProfile vmm        = profile_of(Vmm::igvm);
    std::optional<u32> vcpus; // without: as many as the file brings, one at the least
    u32 cpu_signature = 0x80'0F12;
    std::optional<u64> sev_features; // instead of what the file or the platform says
};

inline constexpr u32 max_vcpus = 4096;

/// More are an error and not an afternoon of hashing: 64 GiB.
inline constexpr u64 max_measured_pages = u64{1} << 24;

/// Whether a platform measures what it launches.
constexpr bool is_measured(PlatformType platform) {
    return platform == PlatformType::sev || platform == PlatformType::sev_es
           || platform == PlatformType::sev_snp;
}

} // namespace vestibule::igvm
