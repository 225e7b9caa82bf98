// SPDX-License-Identifier: BSD-2-Clause-Patent
// Policies for reports: each demand met and not met, and what is no policy.
#include "tests/igvm/report/test_root.h"

#include "igvm/report/verdict.h"

#include <gtest/gtest.h>

namespace vestibule::igvm::test {

namespace {
std::string failures(const AttestationReport& report, const std::string& policy) {
    const auto checks = check_policy(report, CpuGeneration::milan, policy);
    if (!checks) {
        return "no policy: " + checks.error();
    }
    EXPECT_FALSE(checks->empty()) << policy;
    std::string text;
    for (const ReportCheck& check : *checks) {
        text += check.passed ? "" : check.name + ": " + check.words + "\n";
    }
    return text;
}

std::string measurement() { return to_hex(TestRoot::get().report().measurement); }
} // namespace

TEST(ReportVerdict, EachDemand) {
    struct Case {
        std::string met, not_met;
        std::string_view sentence;
    };

    const std::string zeros(96, '0');
    const Case cases[] = {
        {R"({"minimum_version": 3})", R"({"minimum_version": 5})", "found 3, expected 5 or more"},
        {R"({"minimum_tcb": {"bl": 4, "snp": 22, "ucode": 213}})",
         R"({"minimum_tcb": {"snp": 23}})", "minimum_tcb (reported): found SNP 22, expected 23 or more"},
        {R"({"allowed_policy": ["smt"]})", R"({"allowed_policy": []})",
         "found 0x30000, expected one without smt"},
        {R"({"allowed_policy": "0x30000"})", R"({"allowed_policy": "0x20000"})", "without smt"},
        {R"({"required_policy": ["smt"]})", R"({"required_policy": ["single-socket"]})",
         "required_policy (single-socket)"},
        {R"({"vmpl": 0})", "", ""},
        {R"({"measurement": [")" + zeros + R"(", ")" + measurement() + R"("]})",
         R"({"measurement": ")" + zeros + R"("})", "expected 0000"},
        {R"({"measurement": ")" + to_base64(from_hex(measurement())) + R"("})",
         R"({"measurement": []})", "expected nothing at all"},
        {R"({"host_data": ")" + std::string(64, '0') + R"("})",
         R"({"host_data": ")" + std::string(64, '1') + R"("})", "host_data: found 00"},
        {R"({"report_data": ")" + std::string(128, '0') + R"("})",
         R"({"report_data": ")" + std::string(128, '1') + R"("})", "report_data: found 00"},
        {R"({"id_key_digest": ")" + zeros + R"("})",
         R"({"id_key_digest": ")" + std::string(96, '1') + R"("})", "id_key_digest: found 00"},
        {R"({"author_key_digest": ")" + zeros + R"("})",
         R"({"author_key_digest": ")" + std::string(96, '1') + R"("})", "author_key_digest"},
        {R"({"family_id": ")" + std::string(32, '0') + R"("})",
         R"({"family_id": ")" + std::string(32, '1') + R"("})", "family_id"},
        {R"({"image_id": ")" + std::string(32, '0') + R"("})",
         R"({"image_id": ")" + std::string(32, '1') + R"("})", "image_id"},
        {R"({"chip_id": ")" + to_hex(TestRoot::get().chip.id) + R"("})",
         R"({"chip_id": ")" + std::string(128, '1') + R"("})", "chip_id"},
        {R"({"minimum_guest_svn": 2})", R"({"minimum_guest_svn": 3})",
         "found 2, expected 3 or more"},
        {R"({"signing_key": "vcek"})", R"({"signing_key": "vlek"})", "found vcek, expected vlek"},
        {R"({"platform": {"smt": true, "tsme": false}})", R"({"platform": {"smt": false}})",
         "platform (smt): found on, expected off"},
        {R"({"mitigations": "0x0"})", R"({"mitigations": "0x1"})", "found 0x0, expected 0x1"},
    };
    const AttestationReport report = TestRoot::get().report();
    for (const Case& test : cases) {
        EXPECT_EQ(failures(report, test.met), "") << test.met;
        if (!test.not_met.empty()) {
            const std::string found = failures(report, test.not_met);
            EXPECT_NE(found.find(test.sentence), std::string::npos) << test.not_met << ":\n"
                                                                    << found;
        }
    }
}

/// What attackers offer instead of what was asked for.
TEST(ReportVerdict, Attacks) {
    AttestationReport report = TestRoot::get().report();
    report.vmpl              = 2;
    EXPECT_EQ(failures(report, R"({"vmpl": 1})"), "vmpl: found 2, expected 1 or less\n");
    report.vmpl = ~0u; // the host's own
    EXPECT_NE(failures(report, R"({"vmpl": 3})"), "");
    report        = TestRoot::get().report();
    report.policy = 0xB'0000;
    EXPECT_EQ(failures(report, R"({"allowed_policy": ["smt"]})"),
              "allowed_policy: found 0xb0000, expected one without debug\n");
    report.policy = 0x3'0000 | u64{1} << 40;
    EXPECT_NE(failures(report, R"({"allowed_policy": ["smt"]})"), "");
    report               = TestRoot::get().report();
    report.committed_tcb = 0; // may be rolled back
    EXPECT_NE(failures(report, R"({"minimum_tcb": {"snp": 22}})").find("(committed)"),
              std::string::npos);
    report            = TestRoot::get().report();
    report.launch_tcb = 0; // launched before an update
    EXPECT_NE(failures(report, R"({"minimum_tcb": {"snp": 22}})").find("(launch)"),
              std::string::npos);
}

/// A slip of the pen must not ask for nothing.
TEST(ReportVerdict, RefusesWhatIsNoPolicy) {
    const AttestationReport report = TestRoot::get().report();
    for (const char* wrong : {"",
                              "[]",
                              "{",
                              "1",
                              R"({"minimum_tbc": {}})",
                              R"({"minimum_tcb": 3})",
                              R"({"minimum_tcb": {"sp": 3}})",
                              R"({"minimum_tcb": {"snp": 256}})",
                              R"({"minimum_tcb": {"snp": -1}})",
                              R"({"minimum_tcb": {"fmc": 1}})",
                              R"({"allowed_policy": ["smtt"]})",
                              R"({"allowed_policy": "smt"})",
                              R"({"required_policy": ["x"]})",
                              R"({"vmpl": 4})",
                              R"({"vmpl": "0"})",
                              R"({"measurement": "00"})",
                              R"({"measurement": 0})",
                              R"({"measurement": [1]})",
                              R"({"signing_key": "ark"})",
                              R"({"platform": {"smt": 1}})",
                              R"({"platform": {"x": true}})",
                              R"({"platform": true})",
                              R"({"mitigations": "0x1g"})",
                              R"({"mitigations": "0x"})"}) {
        const auto checks = check_policy(report, CpuGeneration::milan, wrong);
        ASSERT_FALSE(checks) << wrong;
        EXPECT_NE(checks.error().find("expected"), std::string::npos) << checks.error();
    }
}

} // namespace vestibule::igvm::test
