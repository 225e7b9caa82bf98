// SPDX-License-Identifier: BSD-2-Clause-Patent
// See guest_policy.h.
#include "igvm/format/guest_policy.h"

#include "igvm/format/number.h"

#include <fmt/format.h>

#include <algorithm>

namespace vestibule::igvm {

namespace {
// clang-format off
constexpr PolicyBit snp_bits[] = {
    {16, "smt",               "hosts with SMT are allowed", "only hosts without SMT", true,
     "the host may run a thread of its own on the guest's core: by StackWarp (CVE-2025-29943) it moves the guest's stack pointer from there on processors without the mend"},
    {17, "reserved-one",      "", "reserved bit 17 is 0 and has to be 1", false,
     "no firmware takes a policy without bit 17"},
    {18, "migrate-ma",        "a migration agent may take the guest's memory away", "", true,
     "whoever is accepted as the migration agent has the guest's memory"},
    {19, "debug",             "the host may read and write the guest's memory", "", true,
     "a guest that can be debugged keeps nothing from its host"},
    {20, "single-socket",     "only hosts that use one socket", "", std::nullopt, ""},
    {21, "cxl-allow",         "memory behind CXL is allowed", "", std::nullopt, ""},
    {22, "mem-aes-256-xts",   "memory is encrypted by AES-256-XTS", "", std::nullopt, ""},
    {23, "rapl-disable",      "RAPL, by which a host measures energy, is off", "", std::nullopt, ""},
    {24, "ciphertext-hiding", "the host cannot read the guest's ciphertext", "", std::nullopt, ""},
    {25, "page-swap-disable", "pages are not swapped or moved by the firmware", "", std::nullopt, ""},
};
constexpr PolicyBit sev_bits[] = {
    {0, "nodbg",  "no debugging", "the host may read and write the guest's memory", false,
     "a guest that can be debugged keeps nothing from its host"},
    {1, "noks",   "the key is not shared with other guests", "", std::nullopt, ""},
    {2, "es",     "SEV-ES: registers are encrypted", "plain SEV: the host sees the registers", std::nullopt, ""},
    {3, "nosend", "the guest is sent to no other host", "", std::nullopt, ""},
    {4, "domain", "only to hosts of the same domain", "", std::nullopt, ""},
    {5, "sev",    "only to hosts with SEV", "", std::nullopt, ""},
};
constexpr PolicyBit tdx_bits[] = {
    {0, "debug",           "the host may read and write the guest's memory", "", true,
     "a guest that can be debugged keeps nothing from its host"},
    {1, "sept-ve-disable", "no #VE for pages that are not accepted", "", std::nullopt, ""},
    {2, "migratable",      "the guest may be moved to another host", "", std::nullopt, ""},
};
// clang-format on

/// Where a platform's policy has the least version of the firmware's interface.
struct Version {
    unsigned major_bit, minor_bit;
};

std::optional<Version> version_of(PlatformType platform) {
    switch (platform) {
    case PlatformType::sev_snp: return Version{.major_bit = 8, .minor_bit = 0};
    case PlatformType::sev:
    case PlatformType::sev_es: return Version{.major_bit = 16, .minor_bit = 24};
    default: return std::nullopt;
    }
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

std::expected<bool, std::string> on_or_off(std::string_view word, std::string_view value) {
    if (value == "on" || value == "1") {
        return true;
    }
    if (value == "off" || value == "0") {
        return false;
    }
    return std::unexpected(fmt::format("{}: found {}, expected on or off", word, value));
}

/// "1.55" as bits 15:0.
std::optional<u64> abi_of(std::string_view value) {
    const auto parts = numbers_between(value, '.', {.most = 0xFF});
    return parts.size() == 2 ? std::optional(parts[0] << 8 | parts[1]) : std::nullopt;
}

std::string known_words() {
    std::string words;
    for (const PolicyBit& row : snp_bits) {
        words += fmt::format("{}, ", row.name);
    }
    return words + "abi=MAJOR.MINOR";
}
} // namespace

std::span<const PolicyBit> policy_bits(PlatformType platform) {
    switch (platform) {
    case PlatformType::sev_snp: return snp_bits;
    case PlatformType::sev:
    case PlatformType::sev_es: return sev_bits;
    case PlatformType::tdx: return tdx_bits;
    default: return {};
    }
}

std::vector<PolicyLine> policy_lines(PlatformType platform, u64 policy) {
    std::vector<PolicyLine> lines;
    const auto bits = policy_bits(platform);
    u64 left        = bits.empty() ? 0 : policy;
    for (const PolicyBit& row : bits) {
        const bool is_set           = (policy >> row.number & 1) != 0;
        const std::string_view says = is_set ? row.set : row.clear;
        left &= ~(u64{1} << row.number);
        if (!says.empty()) {
            lines.push_back(
                {.text       = fmt::format("{} {}: {}", row.name, is_set ? "on" : "off", says),
                 .is_warning = false});
        }
    }
    if (const auto version = version_of(platform)) {
        const u64 major = policy >> version->major_bit & 0xFF;
        const u64 minor = policy >> version->minor_bit & 0xFF;
        left &= ~(u64{0xFF} << version->major_bit | u64{0xFF} << version->minor_bit);
        if (major != 0 || minor != 0) {
            lines.push_back({.text       = fmt::format("only firmware with an interface of version "
                                                             "{}.{} or later",
                                                       major, minor),
                             .is_warning = false});
        }
    }
    if (left != 0) {
        lines.push_back({.text = fmt::format("bits {:#x} are nobody's", left), .is_warning = true});
    }
    for (std::string& warning : policy_warnings(platform, policy)) {
        lines.push_back({.text = std::move(warning), .is_warning = true});
    }
    return lines;
}

std::vector<std::string> policy_warnings(PlatformType platform, u64 policy) {
    std::vector<std::string> warnings;
    for (const PolicyBit& row : policy_bits(platform)) {
        const bool is_set = (policy >> row.number & 1) != 0;
        if (row.warns == is_set) {
            warnings.push_back(
                fmt::format("{} {}: {}", row.name, is_set ? "on" : "off", row.warning));
        }
    }
    return warnings;
}

std::expected<u64, std::string> snp_policy_of(std::string_view text) {
    // What begins as a number is one, or wrong: no word does.
    if (!text.empty() && (text.front() == '-' || text.front() == '+' || is_digit(text.front()))) {
        return number_of(text);
    }
    u64 policy = default_snp_policy;
    for (u64 at = 0; at <= text.size();) {
        const u64 end               = std::min(text.find(',', at), text.size());
        const std::string_view word = text.substr(at, end - at);
        at                          = end + 1;
        const u64 sign              = std::min(word.find('='), word.size());
        const auto name             = word.substr(0, sign);
        const auto value            = sign == word.size() ? "on" : word.substr(sign + 1);
        if (name == "abi") {
            const auto abi = abi_of(value);
            if (!abi) {
                return std::unexpected(
                    fmt::format("abi: found {}, expected a version such as 1.55", value));
            }
            policy = (policy & ~u64{0xFFFF}) | *abi;
            continue;
        }
        const auto* row = std::ranges::find(snp_bits, name, &PolicyBit::name);
        if (row == std::end(snp_bits)) {
            return std::unexpected(
                fmt::format("found {}, expected a number or some of {}", word, known_words()));
        }
        const auto on = on_or_off(name, value);
        if (!on) {
            return std::unexpected(on.error());
        }
        const u64 bit = u64{1} << row->number;
        policy        = *on ? policy | bit : policy & ~bit;
    }
    return policy;
}

} // namespace vestibule::igvm
