// SPDX-License-Identifier: BSD-2-Clause-Patent
// The tables of cases: their names, how many there are, and that each of them can fail.
#include "examiner/groups.h"

#include "examiner/conversation.h"
#include "examiner/hosts.h"
#include "examiner/plan.h"
#include "played.h"

#include <gtest/gtest.h>
#include <set>
#include <string>
#include <vector>

namespace vestibule::examiner {
namespace {

std::vector<const Case*> all_cases() {
    std::vector<const Case*> cases;
    for (const Group* group : groups) {
        group->for_each([&](const Case& about, auto) { cases.push_back(&about); });
    }
    return cases;
}

Plan plan_of(bool is_snp, const std::string& line = "") {
    static std::string kept;
    kept = line;
    return {
        read_parameters(kept.data(), kept.size()),
        {.is_snp          = is_snp,
                                    .version         = 2,
                                    .has_second_vcpu = true,
                                    .is_at_vmpl0     = true,
                                    .has_secrets     = true}
    };
}

TEST(Cases, HaveANameOfTheirOwn) {
    std::set<std::string> ids;
    for (const Case* about : all_cases()) {
        EXPECT_TRUE(ids.insert(about->id).second) << about->id << " is there twice";
        EXPECT_EQ(
            std::string(about->id).find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789.-"),
            std::string::npos)
            << about->id;
        EXPECT_NE(std::string(about->section), "") << about->id;
        EXPECT_EQ(std::string(about->demand).find_first_of("\n|\\"), std::string::npos)
            << about->id << ": TAP would take it for something else";
    }
}

TEST(Cases, AreThreeHundredOnEachPlatform) {
    EXPECT_GE(plan_of(true).count(), 300u);
    EXPECT_GE(plan_of(false).count(), 300u);
}

TEST(Cases, AreOfOnePlatformOrBoth) {
    for (const Case* about : all_cases()) {
        EXPECT_FALSE((about->needs & need::snp) != 0 && (about->needs & need::sev_es) != 0)
            << about->id;
    }
}

/// Answers every call in one way.
void answer_all(u64 info_1, u64 info_2) {
    played::answer_page = [info_1, info_2](volatile ghcb::Page& page) {
        page.valid_bitmap[0] = 0;
        page.valid_bitmap[1] = (fields::info_1 | fields::info_2).high;
        page.sw_exitinfo1    = info_1;
        page.sw_exitinfo2    = info_2;
    };
}

TEST(Cases, OfCallsFailWhereAllIsDoneOrAllIsRefused) {
    played::begin(boot::Platform::sev_snp);
    for (const Group* group : groups) {
        for (size_t n = 0; n < group->call_count; ++n) {
            const CallCase& row = group->call_cases[n];
            answer_all(0, 0);
            const bool passes_done = !run(row).is_failure();
            answer_all(2, 7);
            const bool passes_refused = !run(row).is_failure();
            EXPECT_FALSE(passes_done && passes_refused) << row.about.id << " cannot fail";
            if (row.wanted.kind == Wanted::Kind::malformed) {
                EXPECT_FALSE(passes_refused) << row.about.id << " takes any reason";
            }
        }
    }
}

TEST(Cases, OfRequestsFailWhereTheMsrIsLeftAsItIs) {
    played::begin(boot::Platform::sev_snp);
    for (const Group* group : groups) {
        for (size_t n = 0; n < group->msr_count; ++n) {
            played::answer_msr     = [](u64 request) { return request; };
            const bool passes_echo = !run(group->msr_cases[n]).is_failure();
            played::answer_msr     = [](u64) { return ~u64{0}; };
            const bool passes_ones = !run(group->msr_cases[n]).is_failure();
            EXPECT_FALSE(passes_echo && passes_ones) << group->msr_cases[n].about.id;
        }
    }
}

TEST(Cases, MarkWhatTheyName) {
    played::begin(boot::Platform::sev_es);
    FieldSet seen{};
    u64 scratch         = 0;
    played::answer_page = [&](volatile ghcb::Page& page) {
        seen    = {page.valid_bitmap[0], page.valid_bitmap[1]};
        scratch = page.sw_scratch;
    };
    (void)perform(call_of(ExitCode::msr, 1).with_rcx(5).with_rax(6).without(fields::rax));
    EXPECT_TRUE(seen.contains(fields::code | fields::info_1 | fields::info_2 | fields::rcx));
    EXPECT_FALSE(seen.contains(fields::rax));
    (void)perform(call_of(ExitCode::mmio_read).with_scratch(0x808));
    EXPECT_EQ(scratch, page_gpa() + 0x808);
    (void)perform(call_of(ExitCode::mmio_read).with_scratch_at(0x808));
    EXPECT_EQ(scratch, u64{0x808});
}

TEST(Plan, HasWhatIsOfThePlatform) {
    const Case snp{"x.snp", "1", "", Level::must, need::snp};
    const Case sev_es{"x.es", "1", "", Level::must, need::sev_es};
    const Case end{"x.end", "1", "", Level::must, need::own_boot};
    EXPECT_TRUE(plan_of(true).has(snp));
    EXPECT_FALSE(plan_of(false).has(snp));
    EXPECT_FALSE(plan_of(true).has(sev_es));
    EXPECT_TRUE(plan_of(false).has(sev_es));
    EXPECT_FALSE(plan_of(false).has(end));
    EXPECT_TRUE(plan_of(false, "end=x.end").has(end));
    EXPECT_FALSE(plan_of(false, "end=x.end").has(sev_es));
    EXPECT_TRUE(plan_of(false, "only=x.e").has(sev_es));
    EXPECT_FALSE(plan_of(false, "only=y").has(sev_es));
    EXPECT_TRUE(plan_of(false, "only=y,x.e").has(sev_es));
    EXPECT_TRUE(plan_of(false, "only=x.e,y").has(sev_es));
    EXPECT_FALSE(plan_of(false, "only=y,z").has(sev_es));
}

TEST(Plan, PutsWhatMayEndTheGuestLast) {
    EXPECT_EQ(turn_of({"x", "1", "", Level::must}), Turn::first);
    EXPECT_EQ(turn_of({"x", "1", "", Level::must, need::risky}), Turn::risky);
    EXPECT_EQ(turn_of({"x", "1", "", Level::must, need::own_boot}), Turn::risky);
    EXPECT_EQ(turn_of({"x", "1", "", Level::must, need::last}), Turn::last);
}

TEST(Plan, SaysWhatIsLacking) {
    const Case second{"x", "1", "", Level::must, need::second_vcpu};
    const Parameters none;
    EXPECT_STREQ(Plan(none, {.is_snp          = false,
                             .version         = 2,
                             .has_second_vcpu = false,
                             .is_at_vmpl0     = true,
                             .has_secrets     = true})
                     .lack_of(second),
                 "the file starts one vCPU");
    EXPECT_EQ(plan_of(false).lack_of(second), nullptr);
}

TEST(Parameters, AreWords) {
    const std::string line      = " expect=kvm-6.12  only=msr. ";
    const Parameters parameters = read_parameters(line.data(), line.size());
    EXPECT_TRUE(parameters.expect.is("kvm-6.12"));
    EXPECT_FALSE(parameters.expect.is("kvm-6.1"));
    EXPECT_FALSE(parameters.expect.is("kvm-6.123"));
    EXPECT_TRUE(parameters.only.is_prefix_of("msr.info.code"));
    EXPECT_FALSE(parameters.only.is_prefix_of("ms"));
    EXPECT_TRUE(parameters.unknown.is_empty());
    for (const std::string wrong : {"expct=x", "only", "quiet", "end=x verbose"}) {
        EXPECT_FALSE(read_parameters(wrong.data(), wrong.size()).unknown.is_empty()) << wrong;
    }
}

TEST(Hosts, ArePatterns) {
    EXPECT_TRUE(is_meant("msr.info.*", "msr.info.code"));
    EXPECT_TRUE(is_meant("*.scratch.outside", "string.scratch.outside"));
    EXPECT_TRUE(is_meant("ioio.*.reserved*", "ioio.out.reserved-13"));
    EXPECT_TRUE(is_meant("nmi.masked", "nmi.masked"));
    EXPECT_FALSE(is_meant("nmi.masked", "nmi.masked.more"));
    EXPECT_FALSE(is_meant("nmi.masked", "nmi"));
    EXPECT_FALSE(is_meant("msr.info.*", "msr.cpuid.0.eax"));
    EXPECT_FALSE(is_meant("ioio.*.reserved*", "ioio.size.none"));
}

/// A row that means no case is a row that was misspelt.
TEST(Hosts, DeviateInCasesThatThereAre) {
    const std::vector<const Case*> cases = all_cases();
    for (const DeviationRow& row : deviations) {
        size_t meant = 0;
        for (const Case* about : cases) {
            meant += is_meant(row.ids, about->id) ? 1 : 0;
        }
        EXPECT_NE(meant, 0u) << row.ids;
        EXPECT_NE(row.hosts, 0) << row.ids;
    }
}

TEST(Hosts, AreFoundByCase) {
    Deviation found{};
    EXPECT_FALSE(find_deviation(Host::none, "rdpmc.bad-index", found));
    ASSERT_TRUE(find_deviation(Host::kvm_6_12, "rdpmc.bad-index", found));
    EXPECT_EQ(found.host, Host::kvm_6_12);
    EXPECT_EQ(found.effect, Effect::differs);
    ASSERT_TRUE(find_deviation(Host::vmm, "msr.info.code", found));
    EXPECT_EQ(found.effect, Effect::ends_guest);
    EXPECT_FALSE(find_deviation(Host::mshv, "msr.info.code", found));
}

} // namespace
} // namespace vestibule::examiner
