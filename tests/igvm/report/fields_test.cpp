// SPDX-License-Identifier: BSD-2-Clause-Patent
// An attestation report's fields by version and generation.
#include "tests/igvm/report/test_root.h"

#include "igvm/report/fields.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace vestibule::igvm::test {

namespace {
std::string value_of(const AttestationReport& report, std::string_view name,
                     CpuGeneration generation = CpuGeneration::milan) {
    for (const ReportLine& line : lines_of(report, generation)) {
        if (line.name == name) {
            return line.value;
        }
    }
    return "";
}
} // namespace

TEST(ReportFields, VersionsBringMore) {
    AttestationReport report{};
    report.version            = 2;
    report.cpu_family         = 0x19;
    report.launch_mit_vector  = 3;
    report.current_mit_vector = 7;
    EXPECT_EQ(value_of(report, "cpu"), "");
    EXPECT_EQ(generation_of(report), std::nullopt);
    report.version = 3;
    EXPECT_EQ(value_of(report, "cpu"), "family 0x19, model 0x0, stepping 0");
    EXPECT_EQ(generation_of(report), CpuGeneration::milan);
    EXPECT_EQ(value_of(report, "launch_mit_vector"), "");
    report.version = 5;
    EXPECT_EQ(value_of(report, "launch_mit_vector"), "0x3");
    EXPECT_EQ(value_of(report, "current_mit_vector"), "0x7");
    report.cpu_model = 0x11;
    EXPECT_EQ(generation_of(report), CpuGeneration::genoa);
    report.cpu_model = 0xA0;
    EXPECT_EQ(generation_of(report), CpuGeneration::genoa);
    report.cpu_family = 0x1A;
    report.cpu_model  = 0x11;
    EXPECT_EQ(generation_of(report), CpuGeneration::turin);
    report.cpu_model = 0x50;
    EXPECT_EQ(generation_of(report), std::nullopt);
}

TEST(ReportFields, TcbByGeneration) {
    constexpr u64 tcb = 0x0807'0605'0403'0201;
    EXPECT_EQ(tcb_in_words(tcb, CpuGeneration::milan), "boot loader 1, TEE 2, SNP 7, microcode 8");
    EXPECT_EQ(tcb_in_words(tcb, CpuGeneration::genoa), tcb_in_words(tcb, CpuGeneration::milan));
    EXPECT_EQ(tcb_in_words(tcb, CpuGeneration::turin),
              "FMC 1, boot loader 2, TEE 3, SNP 4, microcode 8");
    EXPECT_TRUE(tcb_below(tcb, tcb, CpuGeneration::turin).empty());
    EXPECT_EQ(tcb_below(tcb, tcb + 0x100, CpuGeneration::turin),
              std::vector<std::string>{"boot loader 2, expected 3 or more"});
}

/// Each byte of the report is in some line, but for reserved ones.
TEST(ReportFields, EveryFieldIsShown) {
    const auto all = [](const AttestationReport& report) {
        std::string text;
        for (const ReportLine& line : lines_of(report, CpuGeneration::turin)) {
            text += line.name + line.value;
        }
        return text;
    };
    AttestationReport report{};
    report.version                           = 5;
    const std::string plain                  = all(report);
    const Bytes bytes                        = bytes_of(report);
    constexpr std::pair<u64, u64> reserved[] = {
        {0x4C,  0x50 },
        {0x18B, 0x1A0},
        {0x1EB, 0x1EC},
        {0x1EF, 0x1F0},
        {0x208, 0x2A0},
        {0x330, 0x4A0}
    };
    for (u64 at = 4; at < bytes.size(); ++at) {
        const bool is_reserved = std::ranges::any_of(
            reserved, [&](const auto& range) { return at >= range.first && at < range.second; });
        const bool is_unused_flag = at > 0x48 && at < 0x4C;
        if (is_reserved || is_unused_flag) {
            continue;
        }
        Bytes changed = bytes;
        changed[at]   = 1;
        EXPECT_NE(all(*read_report(changed)), plain) << at;
    }
}

TEST(ReportFields, PlatformInWords) {
    AttestationReport report{};
    report.version       = 3;
    report.platform_info = 0x63;
    EXPECT_EQ(value_of(report, "platform_info"),
              "0x63, SMT is on, all memory is encrypted (TSME), memory was checked for aliases "
              "(BadRAM), and bits 0x40 that nobody here knows");
    report.policy = 0xB'0000;
    EXPECT_NE(value_of(report, "policy warning"), "");
}

TEST(ReportFields, AddressesOfCertificates) {
    const AttestationReport report = TestRoot::get().report();
    const auto milan               = addresses_of(report, CpuGeneration::milan);
    ASSERT_EQ(milan.size(), 2u);
    EXPECT_TRUE(milan[0].starts_with("https://kdsintf.amd.com/vcek/v1/Milan/0102030405"));
    EXPECT_TRUE(milan[0].ends_with("40?blSPL=04&teeSPL=00&snpSPL=22&ucodeSPL=213")) << milan[0];
    EXPECT_EQ(milan[1], "https://kdsintf.amd.com/vcek/v1/Milan/cert_chain");
    const auto turin = addresses_of(report, CpuGeneration::turin);
    EXPECT_TRUE(
        turin[0].starts_with("https://kdsintf.amd.com/vcek/v1/Turin/0102030405060708?fmcSPL="))
        << turin[0];
}

TEST(ReportFields, RefusesOtherSizesAndVersions) {
    Bytes bytes = bytes_of(TestRoot::get().report());
    for (const u32 version : {0u, 1u, 6u}) {
        bytes[0] = static_cast<u8>(version);
        EXPECT_FALSE(read_report(bytes)) << version;
    }
    bytes[0] = 2;
    EXPECT_TRUE(read_report(bytes));
    bytes.pop_back();
    EXPECT_FALSE(read_report(bytes));
}

} // namespace vestibule::igvm::test
