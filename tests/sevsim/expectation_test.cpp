// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a run is expected to come to, and results as TAP and JUnit's XML.
#include "sevsim/ci_results.h"
#include "sevsim/expectation.h"
#include "tests/xml.h"

#include <gtest/gtest.h>

namespace vestibule::sevsim {

namespace {

RunResult ended(OutcomeKind kind, u64 value = 0) {
    RunResult result;
    result.records.outcome        = Outcome{};
    result.records.outcome->kind  = kind;
    result.records.outcome->value = value;
    return result;
}

RunResult terminated(u8 set, u8 code) {
    RunResult result               = ended(OutcomeKind::terminate);
    result.records.outcome->reason = ReasonCodes{set, code};
    return result;
}

RunResult with_output(const std::string& output) {
    RunResult result = ended(OutcomeKind::exit);
    result.output    = output;
    return result;
}

RunResult breaking(const char* rule) {
    RunResult result = ended(OutcomeKind::exit);
    result.records.violations.push_back(
        {.rule = rule, .count = 3, .first_rip = "0x1234", .first_detail = "<here>"});
    return result;
}

bool happens(const std::string& text, const RunResult& result) {
    const auto expectation = expectation_of(text);
    EXPECT_TRUE(expectation) << text << expectation.error();
    return expectation && has_happened(*expectation, result);
}

std::vector<Expectation> all_of(const std::vector<std::string>& texts) {
    std::vector<Expectation> all;
    for (const std::string& text : texts) {
        all.push_back(*expectation_of(text));
    }
    return all;
}

} // namespace

TEST(Expectation, HappensOrNot) {
    EXPECT_TRUE(happens("termination=0x2:0x5", terminated(2, 5)));
    EXPECT_TRUE(happens("termination=2:5", terminated(2, 5)));
    EXPECT_FALSE(happens("termination=0x2:0x5", terminated(2, 6)));
    EXPECT_FALSE(happens("termination=0x2:0x5", terminated(1, 5)));
    EXPECT_FALSE(happens("termination=0x0:0x0", ended(OutcomeKind::exit)));
    EXPECT_TRUE(happens("exit=3", ended(OutcomeKind::exit, 3)));
    EXPECT_FALSE(happens("exit=3", ended(OutcomeKind::exit, 0)));
    EXPECT_FALSE(happens("exit=0", ended(OutcomeKind::power_off)));
    for (const auto& [name, kind] : {
             std::pair{"poweroff", OutcomeKind::power_off},
             {"reset",    OutcomeKind::reset    },
             {"shutdown", OutcomeKind::shutdown },
             {"halt",     OutcomeKind::halt     },
             {"stop",     OutcomeKind::stop     }
    }) {
        EXPECT_TRUE(happens(name, ended(kind))) << name;
        EXPECT_FALSE(happens(name, ended(OutcomeKind::exit))) << name;
        EXPECT_FALSE(happens(name, RunResult{})) << name << " of a run without an end";
    }
    RunResult late = ended(OutcomeKind::host);
    EXPECT_FALSE(happens("timeout", late));
    late.qemu.how = Ending::timed_out;
    EXPECT_TRUE(happens("timeout", late));
    EXPECT_TRUE(happens("violation=ghcb-stale-bits", breaking("ghcb-stale-bits")));
    EXPECT_FALSE(happens("violation=ghcb-stale-bits", breaking("ghcb-version")));
    EXPECT_TRUE(
        happens("output=^ok 1 - .* CPUID$", with_output("hello\r\nok 1 - the CPUID\r\nend")));
    EXPECT_FALSE(happens("output=^CPUID", with_output("ok 1 - the CPUID\n")));
    EXPECT_FALSE(happens("output=x$", with_output(std::string(100'000, '('))));
}

TEST(Expectation, StatusIsZeroWhenAllHaveHappened) {
    EXPECT_EQ(exit_status(terminated(2, 5), {}), 1);
    EXPECT_EQ(exit_status(terminated(2, 5), all_of({"termination=2:5"})), 0);
    EXPECT_EQ(exit_status(terminated(2, 5), all_of({"termination=2:5", "output=x"})), 1);
    EXPECT_EQ(exit_status(ended(OutcomeKind::exit), all_of({"termination=2:5"})), 1);
    // Rules that nobody has named count all the same.
    EXPECT_EQ(exit_status(breaking("ghcb-version"), all_of({"exit=0"})), 1);
    EXPECT_EQ(exit_status(breaking("ghcb-version"), all_of({"exit=0", "violation=ghcb-version"})),
              0);
    RunResult allowed = breaking("ghcb-version");
    allowed.allowed   = {"ghcb-version"};
    EXPECT_EQ(exit_status(allowed, all_of({"exit=0"})), 0);
    allowed.allowed = {"all"};
    EXPECT_EQ(exit_status(allowed, all_of({"exit=0"})), 0);
    allowed.allowed = {"ghcb-usage"};
    EXPECT_NE(exit_status(allowed, all_of({"exit=0"})), 0);
    RunResult unwritten = terminated(2, 5);
    unwritten.unwritten = {"/dev/full: No space left on device"};
    EXPECT_EQ(exit_status(unwritten, all_of({"termination=2:5"})), 1);
    RunResult interrupted = terminated(2, 5);
    interrupted.qemu      = {Ending::interrupted, 2};
    EXPECT_EQ(exit_status(interrupted, all_of({"termination=2:5"})), 130);
}

TEST(Results, AreTapAndXml) {
    RunResult result = breaking("ghcb-version");
    result.output    = "TAP version 13\r\n1..4\r\nok 1 - CPUID <leaf 0>\r\nnot ok 2 - IN & OUT\r\n"
                       "ok 3 - SMP # SKIP one vCPU\r\nokay\r\nnot ok 4\r\n\x1B[0m";
    const auto cases = test_cases(result, all_of({"exit=0", "poweroff"}));
    ASSERT_EQ(cases.size(), 7u);
    EXPECT_EQ(to_tap(cases), "TAP version 13\n1..7\n"
                             "ok 1 - guest: CPUID <leaf 0>\n"
                             "not ok 2 - guest: IN & OUT\n"
                             "ok 3 - guest: SMP # SKIP one vCPU\n"
                             "not ok 4 - guest: \n"
                             "ok 5 - sevsim: expected exit=0\n"
                             "not ok 6 - sevsim: expected poweroff\n"
                             "  ---\n  message: 'the guest exited with code 0'\n  ...\n"
                             "not ok 7 - sevsim: rule ghcb-version\n"
                             "  ---\n  message: 'broken 3 times, first at rip 0x1234: <here>'\n"
                             "  ...\n");
    const std::string xml = to_junit(cases, "a \"guest\".igvm", result.output);
    EXPECT_NE(xml.find("<testsuite name=\"a &quot;guest&quot;.igvm\" tests=\"7\" failures=\"4\" "
                       "errors=\"0\" skipped=\"1\">"),
              std::string::npos)
        << xml;
    EXPECT_NE(xml.find("<testcase classname=\"guest\" name=\"IN &amp; OUT\"><failure"),
              std::string::npos)
        << xml;
    EXPECT_NE(xml.find("<skipped message=\"SKIP one vCPU\"/>"), std::string::npos) << xml;
    EXPECT_NE(xml.find("first at rip 0x1234: &lt;here&gt;"), std::string::npos) << xml;
    EXPECT_EQ(xml.find('\x1B'), std::string::npos);
    expect_well_formed(xml.substr(xml.find("<testsuite")));
    // Without an expectation it is the end that counts.
    EXPECT_EQ(to_tap(test_cases(ended(OutcomeKind::shutdown), {})),
              "TAP version 13\n1..1\nnot ok 1 - sevsim: the guest ends well\n  ---\n"
              "  message: 'the guest shut down (triple fault)'\n  ...\n");
}

} // namespace vestibule::sevsim
