// SPDX-License-Identifier: BSD-2-Clause-Patent
// Guest policies bit by bit: of SNP (SEV-SNP firmware ABI, section 4.3), of SEV and SEV-ES (SEV API
// specification, section 3), and of TDX (igvm_defs, TdxPolicy). What a bit gives away is said here
// once, for whoever shows, builds or checks one.
#pragma once

#include "igvm/format/format.h"

#include <expected>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::igvm {

struct PolicyBit {
    unsigned number;
    std::string_view name; // as --policy takes it
    std::string_view set;  // what it says when it is set,
    std::string_view clear;
    std::optional<bool> warns; // at which of the two, and why
    std::string_view warning;
};

/// None where a platform has no policy.
std::span<const PolicyBit> policy_bits(PlatformType platform);

struct PolicyLine {
    std::string text;
    bool is_warning;
};

/// Every bit that says something, the version of the firmware's interface, bits that nobody
/// defines; then what there is to warn of.
std::vector<PolicyLine> policy_lines(PlatformType platform, u64 policy);

/// The warnings alone.
std::vector<std::string> policy_warnings(PlatformType platform, u64 policy);

namespace snp_policy {
inline constexpr u64 smt          = 1u << 16;
inline constexpr u64 reserved_one = 1u << 17;
inline constexpr u64 migrate_ma   = 1u << 18;
inline constexpr u64 debug        = 1u << 19;
inline constexpr u64 defined      = (1u << 26) - 1; // with the version of the ABI
} // namespace snp_policy

inline constexpr u64 default_snp_policy = snp_policy::smt | snp_policy::reserved_one;

/// An SNP policy as a number, or in words that change the default:
/// "smt=off,debug=off,ciphertext-hiding,abi=1.55". An error names the word.
std::expected<u64, std::string> snp_policy_of(std::string_view text);

} // namespace vestibule::igvm
