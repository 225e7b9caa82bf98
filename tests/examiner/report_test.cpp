// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the examiner says, line by line, and how it judges an answer.
#include "examiner/report.h"

#include "examiner/judge.h"
#include "played.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace vestibule::examiner {
namespace {

constexpr Case must{"a.must", "2.1", "it holds", Level::must};
constexpr Case should{"a.should", "2.1", "it holds too", Level::should};

std::string last_line(const std::string& text) {
    const size_t end   = text.find_last_not_of('\n') + 1;
    const size_t begin = text.rfind('\n', end - 1) + 1;
    return text.substr(begin, end - begin);
}

TEST(Report, SpeaksTap) {
    played::begin(boot::Platform::sev_es);
    Report report{2};
    report.result(must, Verdict::passed(), nullptr);
    report.result(must, Verdict::failed("RAX", 3, 0x10), nullptr);
    EXPECT_EQ(played::console, "TAP version 14\n1..2\n"
                               "ok 1 - a.must must (2.1): it holds\n"
                               "not ok 2 - a.must must (2.1): it holds\n"
                               "  ---\n  what: 'RAX'\n  seen: 0x3\n  wanted: 0x10\n  ...\n");
    EXPECT_FALSE(report.passed());
}

TEST(Report, EscapesWhatIsNoDirective) {
    played::begin(boot::Platform::sev_es);
    Report report{1};
    report.result({"a", "2.1", "it raises #GP", Level::must}, Verdict::passed(), nullptr);
    EXPECT_NE(played::console.find("ok 1 - a must (2.1): it raises \\#GP\n"), std::string::npos);
}

TEST(Report, FailsByMustAlone) {
    played::begin(boot::Platform::sev_es);
    Report report{3};
    report.result(should, Verdict::failed("RAX", 1, 2), nullptr);
    EXPECT_NE(
        played::console.find("not ok 1 - a.should should (2.1): it holds too # TODO should\n"),
        std::string::npos);
    report.result(must, Verdict::skipped("no such thing"), nullptr);
    EXPECT_NE(played::console.find("ok 2 - a.must must (2.1): it holds # SKIP no such thing\n"),
              std::string::npos);
    EXPECT_FALSE(report.passed()) << "a case is missing";
    report.result(must, Verdict::passed(), nullptr);
    EXPECT_TRUE(report.passed());
}

TEST(Report, KnowsHosts) {
    played::begin(boot::Platform::sev_es);
    Report report{2};
    const Deviation known{Host::kvm_6_1, Effect::differs, true, "answers otherwise"};
    const Deviation rumour{Host::vmm, Effect::ends_guest, false, "ends the guest"};
    report.result(must, Verdict::failed("RAX", 1, 2), &known);
    report.result(must, Verdict::skipped("it ends the guest there"), &rumour);
    EXPECT_NE(played::console.find(" # TODO known: kvm-6.1 answers otherwise\n"),
              std::string::npos);
    EXPECT_NE(played::console.find(" # SKIP known: openbsd-vmm ends the guest (unverified)\n"),
              std::string::npos);
    EXPECT_TRUE(report.passed());
}

TEST(Report, EndsWithJson) {
    played::begin(boot::Platform::sev_es);
    Report report{4};
    report.result(must, Verdict::passed(), nullptr);
    report.result(must, Verdict::failed("RAX", 3, 0x10), nullptr);
    report.result(should, Verdict::failed("RAX", 3, 0x10), nullptr);
    report.result(should, Verdict::skipped("why"), nullptr);
    report.summary("sev-es", 2);
    const std::string line = last_line(played::console);
    ASSERT_EQ(line.substr(0, 2), "# ");
    const nlohmann::json json = nlohmann::json::parse(line.substr(2));
    EXPECT_EQ(json["schema"], "vestibule.examiner/1");
    EXPECT_EQ(json["platform"], "sev-es");
    EXPECT_EQ(json["planned"], 4);
    EXPECT_EQ(json["passed"], 1);
    EXPECT_EQ(json["failed"], 1);
    EXPECT_EQ(json["deviating"], 1);
    EXPECT_EQ(json["skipped"], 1);
    EXPECT_EQ(json["failures"], nlohmann::json::array({"a.must"}));
}

Answer answer_of(u64 info_1, u64 info_2, FieldSet valid = {}) {
    return {.info_1 = info_1, .info_2 = info_2, .valid = valid | always_valid};
}

bool fits(const Answer& answer, const Wanted& wanted) {
    return !judge(answer, wanted).is_failure();
}

TEST(Judge, OfWhatIsDone) {
    EXPECT_TRUE(fits(answer_of(0, 0), done()));
    EXPECT_TRUE(fits(answer_of(u64{7} << 32, 0), done())) << "bits 63:32 mean nothing";
    EXPECT_FALSE(fits(answer_of(1, 0x8000'030D), done()));
    EXPECT_FALSE(fits(answer_of(2, 4), done()));
    EXPECT_FALSE(fits(answer_of(0, 0), done(fields::rax)));
    EXPECT_TRUE(fits(answer_of(0, 0, fields::rax), done(fields::rax)));
    EXPECT_FALSE(fits(answer_of(0, 3), done_with_info_2(0)));
    EXPECT_FALSE(fits({.info_1 = 0, .info_2 = 0}, done())) << "nothing is marked valid";
}

TEST(Judge, OfExceptions) {
    EXPECT_TRUE(fits(answer_of(1, 0x8000'030D), raises_gp));
    EXPECT_TRUE(fits(answer_of(1, 0x8000'0B0D), raises_gp)) << "with an error code, which is 0";
    EXPECT_FALSE(fits(answer_of(1, 0x0000'030D), raises_gp)) << "not valid";
    EXPECT_FALSE(fits(answer_of(1, 0x8000'0306), raises_gp)) << "#UD";
    EXPECT_FALSE(fits(answer_of(1, 0x8000'000D), raises_gp)) << "an interrupt";
    EXPECT_FALSE(fits(answer_of(1, 0x8000'130D), raises_gp)) << "a reserved bit";
    EXPECT_FALSE(fits(answer_of(1, 0x1'8000'0B0D), raises_gp)) << "an error code";
    EXPECT_FALSE(fits(answer_of(0, 0), raises_gp));
}

TEST(Judge, OfRefusals) {
    EXPECT_TRUE(fits(answer_of(2, 3), malformed(reason::scratch)));
    EXPECT_FALSE(fits(answer_of(2, 4), malformed(reason::scratch)));
    EXPECT_FALSE(fits(answer_of(0, 3), malformed(reason::scratch)));
    EXPECT_TRUE(fits(answer_of(2, 4), refused));
    EXPECT_TRUE(fits(answer_of(1, 0x8000'030D), refused));
    EXPECT_FALSE(fits(answer_of(0, 0), refused));
    EXPECT_FALSE(fits(answer_of(3, 0), refused));
    EXPECT_TRUE(fits(answer_of(0, 0), done_or_malformed));
    EXPECT_TRUE(fits(answer_of(2, 5), done_or_malformed));
    EXPECT_FALSE(fits(answer_of(9, 5), done_or_malformed));
}

} // namespace
} // namespace vestibule::examiner
