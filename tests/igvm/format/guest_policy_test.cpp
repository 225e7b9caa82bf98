// SPDX-License-Identifier: BSD-2-Clause-Patent
// Guest policies in words: each bit of each platform alone, what is warned of, and back from words.
#include "igvm/format/guest_policy.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vestibule::igvm::test {

namespace {
std::string all_of(PlatformType platform, u64 policy) {
    std::string text;
    for (const PolicyLine& line : policy_lines(platform, policy)) {
        text += (line.is_warning ? "! " : "  ") + line.text + "\n";
    }
    return text;
}

bool contains(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos;
}

constexpr u64 strict_snp = snp_policy::reserved_one;
constexpr u64 strict_sev = 1;
} // namespace

TEST(GuestPolicy, EveryBitSaysSomethingOfItsOwn) {
    for (const auto& [platform, base] : {
             std::pair(PlatformType::sev_snp, strict_snp),
             {PlatformType::sev,    strict_sev},
             {PlatformType::sev_es, strict_sev},
             {PlatformType::tdx,    u64{0}    }
    }) {
        for (const PolicyBit& row : policy_bits(platform)) {
            const u64 bit = u64{1} << row.number;
            EXPECT_NE(all_of(platform, base | bit), all_of(platform, base & ~bit)) << row.name;
        }
    }
    EXPECT_TRUE(policy_lines(PlatformType::native, ~u64{0}).empty());
}

TEST(GuestPolicy, WarnsOfWhatGivesTheGuestAway) {
    using enum PlatformType;
    EXPECT_TRUE(policy_warnings(sev_snp, strict_snp).empty());
    EXPECT_TRUE(contains(all_of(sev_snp, default_snp_policy), "! smt on: "));
    EXPECT_TRUE(contains(all_of(sev_snp, default_snp_policy), "CVE-2025-29943"));
    EXPECT_TRUE(contains(all_of(sev_snp, strict_snp | snp_policy::debug), "! debug on: "));
    EXPECT_TRUE(contains(all_of(sev_snp, strict_snp | snp_policy::migrate_ma), "! migrate-ma on"));
    EXPECT_TRUE(contains(all_of(sev_snp, 0), "! reserved-one off"));
    EXPECT_TRUE(contains(all_of(sev_snp, strict_snp | u64{1} << 40), "bits 0x10000000000 are"));
    EXPECT_TRUE(policy_warnings(sev_es, 5).empty());
    EXPECT_TRUE(contains(all_of(sev_es, 4), "! nodbg off"));
    EXPECT_TRUE(contains(all_of(tdx, 1), "! debug on"));
    EXPECT_TRUE(contains(all_of(tdx, 4), "migratable on"));
}

TEST(GuestPolicy, VersionOfTheInterface) {
    EXPECT_TRUE(contains(all_of(PlatformType::sev_snp, strict_snp | 0x137), "version 1.55 "));
    EXPECT_TRUE(contains(all_of(PlatformType::sev_es, 0x3701'0005), "version 1.55 "));
    EXPECT_FALSE(contains(all_of(PlatformType::sev_es, 0x3701'0005), "nobody's"));
    EXPECT_FALSE(contains(all_of(PlatformType::sev_snp, strict_snp), "version"));
}

TEST(GuestPolicy, FromWords) {
    EXPECT_EQ(snp_policy_of("0xb0000"), 0xB'0000u);
    EXPECT_EQ(snp_policy_of("196608"), default_snp_policy);
    EXPECT_EQ(snp_policy_of("smt=off,debug=off,ciphertext-hiding"), 0x102'0000u);
    EXPECT_EQ(snp_policy_of("debug"), 0xB'0000u);
    EXPECT_EQ(snp_policy_of("abi=1.55"), 0x3'0137u);
    EXPECT_EQ(snp_policy_of("reserved-one=0,smt=0"), 0u);
    for (const char* wrong : {"", "smt=maybe", "sm", "debug,", "abi", "abi=1", "abi=1.256", "0x",
                              "0x30000g", "18446744073709551616"}) {
        const auto policy = snp_policy_of(wrong);
        ASSERT_FALSE(policy) << wrong;
        EXPECT_TRUE(contains(policy.error(), "expected")) << policy.error();
    }
    for (const PolicyBit& row : policy_bits(PlatformType::sev_snp)) {
        EXPECT_EQ(snp_policy_of(std::string(row.name)), default_snp_policy | u64{1} << row.number);
    }
}

} // namespace vestibule::igvm::test
