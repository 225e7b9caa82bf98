// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a campaign is made of: plans drawn from a seed, the oracle's verdicts, plans made small,
// results that are read again and put together. Whole campaigns, with a script in the place of
// `sevsim run`, are in attack_campaign_test.cpp.
#include "sevsim/attack/draws.h"
#include "sevsim/attack/minimise.h"
#include "sevsim/attack/numbers.h"
#include "sevsim/attack/oracle.h"
#include "sevsim/attack/summary.h"

#include "ghcb/termination.h"
#include "tests/json/expect_valid.h"

#include <fmt/format.h>

namespace vestibule::sevsim::attack {

namespace {

using namespace std::chrono_literals;

Lies plan_of(std::string_view text) {
    const auto plan = lies_of(text);
    EXPECT_TRUE(plan) << plan.error();
    return plan.value_or(Lies{});
}

/// A guest with one CPUID, then a thousand OUTs of one instruction.
Places guest_places() {
    std::string trace = R"({"schema":"vestibule.trace/1","record":"trace"}
{"record":"msr","name":"CPUID","rip":"0x200100","request":"0x8000001f00000004","answer":"0x5"}
{"record":"vc","code":"0x72","rip":"0x201000","info1":"0x0","name":"CPUID"}
{"record":"vmgexit","code":"0x72","rip":"0x200200","info1":"0x0","name":"CPUID","rax":"0xd"}
{"record":"vc","code":"0x7c","rip":"0x201800","info1":"0x0","name":"MSR","rcx":"0x1b"}
{"record":"rmp","name":"PVALIDATE","rip":"0x200300","rax":"0x300123","rcx":"0x0"}
)";
    for (int n = 0; n < 1000; ++n) {
        trace += R"({"record":"vc","code":"0x7b","rip":"0x202000","info1":"0x3f80110","name":"IOIO"}
{"record":"vmgexit","code":"0x7b","rip":"0x200200","info1":"0x3f80110","name":"IOIO"}
)";
    }
    Places places  = places_of(trace);
    places.entries = 3000;
    return places;
}

const Places guest = guest_places();

Ended exited(std::string output = "one\ntwo\n") {
    Ended ended;
    ended.kind     = "exit";
    ended.value    = 0;
    ended.output   = std::move(output);
    ended.words    = "the guest exited with code 0";
    ended.vmgexits = 9;
    return ended;
}

Ended terminated(u8 set, u8 code) {
    Ended ended  = exited("");
    ended.kind   = "terminate";
    ended.value  = std::nullopt;
    ended.reason = ReasonCodes{set, code};
    return ended;
}

Ended ended_as(std::string kind) {
    Ended ended = exited("");
    ended.kind  = std::move(kind);
    ended.value = std::nullopt;
    return ended;
}

Verdict verdict_on(const Ended& run, const char* plan = "nmi@1", const Oracle& oracle = {}) {
    return judge(exited(), guest, run, {}, plan_of(plan), oracle).verdict;
}

Oracle foreign() {
    Oracle oracle;
    oracle.ours = false;
    return oracle;
}

} // namespace

TEST(AttackPlaces, KindsOfMoments) {
    ASSERT_EQ(guest.vcs.size(), 3U);
    EXPECT_EQ(guest.vcs[0].code, 0x72U);
    EXPECT_EQ(guest.vcs[0].at, std::vector<u64>{1});
    EXPECT_EQ(guest.vcs[2].at.size(), 1000U);
    EXPECT_EQ(guest.vcs[2].at.front(), 3U);
    // The MSR protocol's VMGEXITs count for lies at a VMGEXIT, and not for answers.
    ASSERT_EQ(guest.vmgexits.size(), 3U);
    EXPECT_EQ(guest.vmgexits[1].at.front(), 2U);
    ASSERT_EQ(guest.answers.size(), 2U);
    EXPECT_EQ(guest.answers[0].at.front(), 1U);
    EXPECT_EQ(guest.pages, std::set<u64>{0x30'0000});
    EXPECT_EQ(guest.msr_answers.size(), 1U);
    EXPECT_EQ(guest.leaves, (std::set<u64>{0x8000'001F, 0xD}));
    EXPECT_EQ(guest.blocks, std::set<u64>{1});
}

TEST(AttackPlaces, MomentsFromSomewhereOn) {
    const Places places = places_of("{\"record\":\"from\",\"vmgexits\":9,\"vmruns\":40}\n"
                                    "{\"record\":\"vc\",\"code\":\"0x72\",\"rip\":\"0x201000\"}\n");
    EXPECT_EQ(places.entries_before, 40U);
    ASSERT_EQ(places.vcs.size(), 1U);
    EXPECT_EQ(places.vcs[0].at, std::vector<u64>{1});
}

TEST(AttackDraws, APlanIsKnownByItsSeedAndNumber) {
    const Drawing drawing{.most = 4};
    std::string plans;
    for (u64 n = 0; n < 50; ++n) {
        plans += text_of(draw_plan(7, n, drawing, guest)) + "---\n";
    }
    std::string backwards;
    for (u64 n = 50; n-- > 0;) {
        backwards.insert(0, text_of(draw_plan(7, n, drawing, guest)) + "---\n");
    }
    EXPECT_EQ(plans, backwards);
    std::string others;
    for (u64 n = 0; n < 50; ++n) {
        others += text_of(draw_plan(8, n, drawing, guest)) + "---\n";
    }
    EXPECT_NE(plans, others);
    // Campaigns that were run with this drawing are replayed by it: another order of random numbers
    // makes another campaign of every seed that is written down.
    const Drawing two{
        .kinds = {{Lie::event, {}}, {Lie::nmi, {}}},
          .most = 4
    };
    EXPECT_EQ(text_of(draw_plan(1, 4, two, guest)),
              "event:0x8000031d@1664\nevent:0x800000a0@310\nevent:0x80000202@1\n"
              "event:0x8000001180000b1d@125\n");
}

/// Each lie is drawn, with what `--hostile` takes, and at a moment that the guest has.
TEST(AttackDraws, EveryLieHits) {
    for (const Draw& draw : draws) {
        const Drawing drawing{.kinds = {{draw.lie, {}}}, .snp = true};
        for (u64 n = 0; n < 200; ++n) {
            const Lies plan = draw_plan(1, n, drawing, guest);
            ASSERT_EQ(plan.size(), 1U);
            EXPECT_EQ(plan[0].lie, draw.lie);
            EXPECT_EQ(text_of(plan_of(text_of(plan))), text_of(plan));
            const u64 most = draw.moment == Moment::vc           ? 1002
                             : draw.moment == Moment::vmgexit    ? 1002
                             : draw.moment == Moment::answer     ? 1001
                             : draw.moment == Moment::entry      ? 3000
                             : draw.moment == Moment::kind       ? 0x7C
                             : draw.moment == Moment::msr_answer ? 1
                             : draw.moment == Moment::time       ? 3
                                                                 : 0;
            EXPECT_LE(plan[0].at, most) << text_of(plan);
            EXPECT_EQ(plan[0].at == 0, most == 0) << text_of(plan);
        }
    }
}

TEST(AttackDraws, EventsAreSuchAsVmrunTakes) {
    const Drawing drawing{.kinds = {{Lie::event, {}}}};
    std::set<u64> types;
    std::set<u64> vectors;
    for (u64 n = 0; n < 4000; ++n) {
        const u64 word   = draw_plan(1, n, drawing, guest)[0].code;
        const u64 type   = (word >> 8) & 7;
        const u64 vector = word & 0xFF;
        types.insert(type);
        vectors.insert(vector);
        EXPECT_NE(word & (u64{1} << 31), 0U);
        EXPECT_EQ(word & 0x7FFF'F000, 0U) << "reserved bits";
        EXPECT_TRUE(type == 0 || (type == 2 && vector == 2) || type == 4
                    || (type == 3 && vector < 32 && vector != 2))
            << fmt::format("{:#x}", word);
        EXPECT_TRUE((word & 0x800) != 0 || word >> 32 == 0);
    }
    EXPECT_EQ(types, (std::set<u64>{0, 2, 3, 4}));
    EXPECT_GT(vectors.size(), 100U);
}

/// A thousand moments of one instruction are no reason to pass over the one of another.
TEST(AttackDraws, SteeredByPlaces) {
    const auto firsts = [](bool uniform) {
        const Drawing drawing{.kinds = {{Lie::vc_instead, {}}}, .uniform = uniform};
        unsigned count = 0;
        for (u64 n = 0; n < 300; ++n) {
            count += draw_plan(1, n, drawing, guest)[0].at == 1 ? 1U : 0U;
        }
        return count;
    };
    EXPECT_GT(firsts(false), 60U);
    EXPECT_LT(firsts(true), 10U);
}

TEST(AttackDraws, KindsWithTheirNumber) {
    const auto kind = kind_of("event:0x80000080");
    ASSERT_TRUE(kind) << kind.error();
    EXPECT_EQ(name_of(*kind), "event:0x80000080");
    EXPECT_EQ(kind_of("nmi"), (Kind{Lie::nmi, {}}));
    for (const char* wrong : {"", "enmity", "nmi:1", "event:", "event:x", "event:1@2"}) {
        EXPECT_FALSE(kind_of(wrong)) << wrong;
    }
    std::set<u64> moments;
    for (u64 n = 0; n < 20; ++n) {
        const Lies plan = draw_plan(1, n,
                                    {
                                        .kinds = {*kind, {Lie::nmi, {}}}
        },
                                    guest);
        // Each kind in its turn.
        EXPECT_EQ(plan[0].lie, n % 2 == 0 ? Lie::event : Lie::nmi);
        if (n % 2 == 0) {
            EXPECT_EQ(plan[0].code, 0x8000'0080U);
            moments.insert(plan[0].at);
        }
    }
    EXPECT_GT(moments.size(), 5U);
}

TEST(AttackDraws, WhatTheGuestDoesNotHaveIsNotDrawn) {
    EXPECT_FALSE(kinds_for({}, guest).empty());
    for (const Kind& kind : kinds_for({.snp = false}, guest)) {
        EXPECT_FALSE(draw_of(kind.lie).snp);
    }
    EXPECT_EQ(kinds_for({.kinds = {{Lie::page_taken, {}}}, .snp = true}, guest).size(), 1U);
    EXPECT_TRUE(kinds_for({.kinds = {{Lie::page_taken, {}}}, .snp = false}, guest).empty());
    EXPECT_TRUE(kinds_for(
                    {
                        .kinds = {{Lie::nmi, {}},
                                  {Lie::exception, {}},
                                  {Lie::event, {}},
                                  {Lie::event_walk, {}}}
    },
                    {})
                    .empty());
    EXPECT_TRUE(draw_plan(1, 0, {.kinds = {{Lie::nmi, {}}}}, {}).empty());
}

/// A lie that has no moment cannot be told twice.
TEST(AttackDraws, WhatIsToldAtTheLaunchIsNotDrawnLater) {
    const auto early = kinds_for({.snp = true}, guest);
    const auto late  = kinds_for({.snp = true, .late = true}, guest);
    EXPECT_TRUE(std::ranges::any_of(
        early, [](const Kind& kind) { return kind.lie == Lie::cbit_no_effect; }));
    for (const Kind& kind : early) {
        EXPECT_EQ(std::ranges::find(late, kind) == late.end(), is_told_at_launch(kind.lie));
    }
}

TEST(AttackDraws, NoPlanContradictsItself) {
    const Drawing drawing{
        .kinds  = {{Lie::no_sev, {}}, {Lie::msr, {}}, {Lie::nmi, {}}},
        .most   = 8,
        .corpus = {plan_of("no-sev\nmsr:0x174\n")}
    };
    bool several = false;
    for (u64 n = 0; n < 500; ++n) {
        const Lies plan = draw_plan(1, n, drawing, guest);
        ASSERT_FALSE(plan.empty());
        several |= plan.size() > 2;
        EXPECT_LE(std::ranges::count(plan, Lie::no_sev, &Hostility::lie), 1);
        EXPECT_LE(std::ranges::count(plan, Lie::msr, &Hostility::lie), 1);
    }
    EXPECT_TRUE(several);
}

TEST(AttackDraws, PlansOfTheCorpusAreChanged) {
    const Lies seed = plan_of("event:0x80000312@17\nvc-within:0x72@2+9\n");
    const Drawing drawing{.most = 4, .corpus = {seed}};
    unsigned like = 0;
    unsigned same = 0;
    for (u64 n = 0; n < 200; ++n) {
        const Lies plan = draw_plan(1, n, drawing, guest);
        like += kinds_of(plan).find("vc-within") != std::string::npos ? 1U : 0U;
        same += text_of(plan) == text_of(seed) ? 1U : 0U;
    }
    EXPECT_GT(like, 60U);
    EXPECT_LT(same, 20U);
}

TEST(AttackPlans, TextAndWhatIsWrongWithIt) {
    const Lies plan = plan_of("# a comment\n\nevent:0x80000312@17\nnmi@3\n");
    EXPECT_EQ(text_of(plan), "event:0x80000312@17\nnmi@3\n");
    EXPECT_EQ(kinds_of(plan), "event nmi");
    const auto wrong = lies_of("nmi@3\nnmi\n");
    ASSERT_FALSE(wrong);
    EXPECT_NE(wrong.error().find("2"), std::string::npos) << wrong.error();
}

TEST(AttackOracle, GuestsOfOurs) {
    EXPECT_EQ(verdict_on(exited()), Verdict::right_result);
    EXPECT_EQ(verdict_on(terminated(5, 6)), Verdict::right_exception);
    EXPECT_EQ(verdict_on(terminated(2, 0x30)), Verdict::coded_end);
    EXPECT_EQ(verdict_on(ended_as("unsupported-event")), Verdict::coded_end);
    EXPECT_EQ(verdict_on(terminated(1, 0)), Verdict::uncoded_end); // Linux's set
    EXPECT_EQ(verdict_on(ended_as("shutdown")), Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("timeout")), Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("halt")), Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("stop")), Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("monitor-error")), Verdict::failed);
    EXPECT_EQ(verdict_on(ended_as("qemu-killed")), Verdict::failed);
    EXPECT_EQ(verdict_on(exited("one\ntoo\n")), Verdict::wrong_result);
    EXPECT_EQ(verdict_on(exited("one\n")), Verdict::wrong_result);
    EXPECT_EQ(verdict_on(exited("one\ntwo\nthree\n")), Verdict::wrong_result);
    Ended failed = exited();
    failed.value = 1;
    EXPECT_EQ(verdict_on(failed), Verdict::wrong_result);
    // The selftest that notices what should not have got so far.
    EXPECT_EQ(verdict_on(terminated(2, 0xF1)), Verdict::uncoded_end);
}

/// What the hypervisor does to a guest that has ended, or not begun, is no fault of it.
TEST(AttackOracle, EndsOfTheHypervisors) {
    EXPECT_EQ(verdict_on(ended_as("halt"), "termination-returns"), Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("halt"), "unanswered@5"), Verdict::uncoded_end);
    Ended unheard = terminated(2, 0x30); // and then a HLT, since nobody obeyed
    unheard.kind  = "halt";
    EXPECT_EQ(verdict_on(unheard, "termination-returns"), Verdict::coded_end);
    EXPECT_EQ(verdict_on(unheard, "unanswered@5"), Verdict::coded_end);
    unheard.reason = ReasonCodes{1, 0};
    EXPECT_EQ(verdict_on(unheard, "unanswered@5"), Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("halt"), "answer-of-other:0x80000004@1"), Verdict::coded_end);
    EXPECT_EQ(verdict_on(ended_as("halt"), "no-information"), Verdict::uncoded_end);
    // A call that is served as a request for termination.
    EXPECT_EQ(verdict_on(terminated(13, 0x21), "answer-of-other:0x8000fffe@6"), Verdict::coded_end);
    EXPECT_EQ(verdict_on(terminated(13, 0x21), "answer-of-other:0x80000004@6"),
              Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("shutdown"), "answer-of-other:0x8000fffe@6"),
              Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("halt"), "vcpu-other-vmsa"), Verdict::coded_end);
    EXPECT_EQ(verdict_on(ended_as("halt"), "vcpu-vmsa-altered"), Verdict::coded_end);
    EXPECT_EQ(verdict_on(ended_as("halt"), "vcpu-launch-state"), Verdict::uncoded_end);
    Ended not_given  = ended_as("stop");
    not_given.broken = {
        {.rule = "vmpl-permission", .rip = "0x10018a7", .count = 1}
    };
    EXPECT_EQ(verdict_on(not_given, "page-validated:0x600000@31"), Verdict::other_end);
    EXPECT_EQ(verdict_on(not_given, "page-taken:0x600000@31"), Verdict::uncoded_end);
    for (const char* kind : {"halt", "timeout", "limit"}) {
        EXPECT_EQ(verdict_on(ended_as(kind), "init@3"), Verdict::coded_end);
        EXPECT_EQ(verdict_on(ended_as(kind), "init-storm:1@3+2"), Verdict::coded_end);
        EXPECT_NE(verdict_on(ended_as(kind), "sipi-storm:1@3+2"), Verdict::coded_end);
    }
    // The library asks until it is heard, and handles an NMI in between. Who goes on with anything
    // else has not ended.
    Ended asking = terminated(2, 0x30);
    asking.broken.push_back({.rule = "exit-after-termination", .rip = "0x201000", .count = 9});
    EXPECT_EQ(verdict_on(asking, "termination-returns"), Verdict::coded_end);
    EXPECT_EQ(verdict_on(asking, "nmi@3"), Verdict::broken_rule);
    for (const char* kind : {"timeout", "limit", "exit"}) {
        Ended going  = ended_as(kind);
        going.broken = asking.broken;
        EXPECT_EQ(verdict_on(going, "termination-returns"), Verdict::broken_rule);
    }
    EXPECT_EQ(verdict_on(ended_as("stop"), "no-information"), Verdict::coded_end);
    Ended early    = ended_as("shutdown");
    early.vmgexits = 0;
    EXPECT_EQ(verdict_on(early), Verdict::other_end);
    // The 32-bit entry, where the CPU would read an IDT from memory that may be the hypervisor's.
    Ended between     = ended_as("shutdown");
    between.idt_limit = 0;
    EXPECT_EQ(verdict_on(between), Verdict::other_end);
    between.idt_limit = 511;
    EXPECT_EQ(verdict_on(between), Verdict::uncoded_end);
}

/// One exception a guest has to come through, and a few; not as many as there are entries.
TEST(AttackOracle, ExceptionsAtEachEntry) {
    EXPECT_EQ(verdict_on(ended_as("shutdown"), "storm:0x80000b0e@9+16"), Verdict::other_end);
    EXPECT_EQ(verdict_on(ended_as("shutdown"), "nmi@1\nstorm:0x80000b0e@9+64"), Verdict::other_end);
    EXPECT_EQ(verdict_on(ended_as("shutdown"), "storm:0x80000b0e@9+15"), Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("shutdown"), "event:0x80000b0e@9"), Verdict::uncoded_end);
    EXPECT_EQ(verdict_on(ended_as("timeout"), "storm:0x80000b0e@9+64"), Verdict::uncoded_end);
}

/// The page that #VC itself needs is gone: which it was the machine says, and the plan has to be
/// what took it.
TEST(AttackOracle, HandlersInPagesThatAreTaken) {
    for (const char* kind : {"shutdown", "stop"}) {
        Ended lost     = ended_as(kind);
        lost.lost_page = 0x21'2000;
        for (const char* taken :
             {"page-taken:0x212000@9", "page-replaced:0x212abc@9", "page-swapped:0x212000@9",
              "page-swapped:0x211000@9", "nmi@2\npage-taken:0x212000@9"}) {
            EXPECT_EQ(verdict_on(lost, taken), Verdict::other_end) << kind << " " << taken;
        }
        for (const char* other :
             {"page-taken:0x213000@9", "page-taken:0x211000@9", "page-swapped:0x210000@9",
              "page-validated:0x212000@9", "msr-undone", "nmi@2"}) {
            EXPECT_EQ(verdict_on(lost, other), Verdict::uncoded_end) << kind << " " << other;
        }
        EXPECT_EQ(verdict_on(ended_as(kind), "page-taken:0x212000@9"), Verdict::uncoded_end);
    }
    // What it has said wrong before counts as ever.
    Ended said     = ended_as("shutdown");
    said.lost_page = 0x21'2000;
    said.output    = "won\ntw";
    EXPECT_EQ(verdict_on(said, "page-taken:0x212000@9"), Verdict::wrong_result);
}

/// Until its coded end a guest may have said something wrong; a line that was cut off is not.
TEST(AttackOracle, WhatWasSaidBeforeTheEnd) {
    Ended ended  = terminated(2, 0x30);
    ended.output = "one\ntw";
    EXPECT_EQ(verdict_on(ended), Verdict::coded_end);
    ended.output = "won\ntw";
    EXPECT_EQ(verdict_on(ended), Verdict::wrong_result);
}

TEST(AttackOracle, DataOfTheHypervisorsOwn) {
    EXPECT_EQ(verdict_on(exited("one\ntoo\n"), "port-data"), Verdict::own_data);
    EXPECT_EQ(verdict_on(exited("one\ntoo\n"), "no-sev"), Verdict::wrong_result);
    Ended failed = exited();
    failed.value = 1;
    EXPECT_EQ(verdict_on(failed, "port-data"), Verdict::own_data);
    EXPECT_EQ(verdict_on(ended_as("shutdown"), "port-data"), Verdict::uncoded_end);
}

/// An answer that no honest hypervisor gives is noticed, or nobody has looked.
TEST(AttackOracle, WhatCannotBeOverlooked) {
    Ended run = exited();
    EXPECT_EQ(verdict_on(run, "response-code"), Verdict::right_result); // its moment has not come
    run.told = 1;
    EXPECT_EQ(verdict_on(run, "response-code"), Verdict::wrong_result);
    EXPECT_EQ(verdict_on(run, "response-code", foreign()), Verdict::right_result);
    EXPECT_EQ(verdict_on(run, "nmi@1"), Verdict::right_result);
    EXPECT_EQ(verdict_on(run, "nmi@1\nresponse-code"), Verdict::right_result);
    for (const char* lie : {"psc-refused", "answer-again", "answer-spoilt", "answers-spoilt",
                            "list-header:3", "registration", "svsm-not-run", "cpuid-page:2"}) {
        EXPECT_EQ(verdict_on(run, lie), Verdict::wrong_result) << lie;
    }
    EXPECT_EQ(verdict_on(run, "cpuid-page:6"), Verdict::right_result);
}

/// PVALIDATE's carry flag says that the page was one already; who goes on has not looked.
TEST(AttackOracle, PagesThatAreValidatedTwice) {
    for (const char* rule : {"rmp-validated-twice", "rmp-rescinded-twice"}) {
        Ended run = exited();
        run.broken.push_back({.rule = rule, .rip = "0x201000", .count = 1});
        const Lies plan           = plan_of("page-validated:0x300000@3\nnmi@1");
        const Judgement judgement = judge(exited(), guest, run, {}, plan, {});
        EXPECT_EQ(judgement.verdict, Verdict::wrong_result);
        EXPECT_EQ(judgement.cause, fmt::format("unnoticed: {} at 0x201000", rule));
        EXPECT_EQ(judge(run, guest, run, {}, plan, {}).verdict, Verdict::right_result);
        EXPECT_EQ(judge(exited(), guest, run, {}, plan, foreign()).verdict, Verdict::right_result);
        Ended noticed  = terminated(2, 0x63);
        noticed.broken = run.broken;
        EXPECT_EQ(judge(exited(), guest, noticed, {}, plan, {}).verdict, Verdict::coded_end);
    }
}

TEST(AttackOracle, LinesThatCount) {
    Oracle oracle;
    oracle.ignored = std::regex{"^tw"};
    EXPECT_EQ(verdict_on(exited("one\ntwice\n"), "nmi@1", oracle), Verdict::right_result);
    EXPECT_EQ(verdict_on(exited("two\n"), "nmi@1", oracle), Verdict::wrong_result);
    oracle.ignored.reset();
    oracle.compared = std::regex{"^tw"};
    EXPECT_EQ(verdict_on(exited("kernel: [ 1.0]\ntwo\n"), "nmi@1", oracle), Verdict::right_result);
    EXPECT_EQ(verdict_on(exited("one\ntwice\n"), "nmi@1", oracle), Verdict::wrong_result);
}

TEST(AttackOracle, LeaksAndRules) {
    Ended run = exited();
    run.broken.push_back({.rule = "ghcb-stale-bits", .rip = "0x201000", .count = 1});
    const Judgement leak = judge(exited(), guest, run, {}, plan_of("nmi@1"), {});
    EXPECT_EQ(leak.verdict, Verdict::leak);
    EXPECT_EQ(leak.cause, "leak ghcb-stale-bits at 0x201000");
    // What the guest does when nobody lies is not the lie's doing.
    EXPECT_EQ(judge(run, guest, run, {}, plan_of("nmi@1"), {}).verdict, Verdict::right_result);
    run.broken[0].rule = "vmgexit-user";
    EXPECT_EQ(verdict_on(run), Verdict::broken_rule);
    EXPECT_EQ(verdict_on(run, "nmi@1", foreign()), Verdict::right_result);
    Ended noticed  = terminated(2, 0x2B);
    noticed.broken = run.broken;
    EXPECT_EQ(verdict_on(noticed), Verdict::broken_rule);
    EXPECT_EQ(verdict_on(noticed, "cbit-no-effect"), Verdict::coded_end);
    run.broken[0].rule = "rmp-not-validated"; // what a page attack makes of the machine
    EXPECT_EQ(verdict_on(run), Verdict::right_result);
    run.broken[0].rule = "rip-outside";
    EXPECT_EQ(verdict_on(run), Verdict::control_flow);
    EXPECT_EQ(verdict_on(run, "nmi@1", foreign()), Verdict::control_flow);
}

/// WeSee: the guest's next call has the exit code that was forged.
TEST(AttackOracle, ForgedVcs) {
    const auto verdict = [](const char* lie, const char* code, const char* rip, const char* call,
                            const char* gpa = "0xfec00000") {
        const Places seen = places_of(fmt::format(
            R"({{"record":"lie","name":"{}"}}
{{"record":"vc","code":"{}","rip":"{}","info1":"0x0","name":"?"}}
{{"record":"vmgexit","code":"{}","rip":"0x200200","info1":"{}","scratch":"0x212800","name":"?"}}
)",
            lie, code, rip, call, gpa));
        return judge(exited(), guest, exited(), seen, plan_of("vc-at-entry:0x72@9"), {}).verdict;
    };
    EXPECT_EQ(verdict("vc-at-entry", "0x72", "0x203000", "0x72"), Verdict::leak);
    EXPECT_EQ(verdict("vc-within", "0x400", "0x203000", "0x80000001"), Verdict::leak);
    // The page of the call itself: whoever holds it can take it away in truth.
    EXPECT_EQ(verdict("vc-within", "0x400", "0x203000", "0x80000001", "0x2123f0"),
              Verdict::right_result);
    EXPECT_EQ(verdict("vc-at-entry", "0x72", "0x203000", "0x8000fffe"), Verdict::right_result);
    EXPECT_EQ(verdict("nmi", "0x72", "0x203000", "0x72"), Verdict::right_result);
    // A CPUID stands there: what it asks for is what it needs.
    EXPECT_EQ(verdict("vc", "0x72", "0x201000", "0x72"), Verdict::right_result);
    EXPECT_EQ(verdict("vc", "0x7b", "0x201000", "0x7b"), Verdict::leak);
}

TEST(AttackOracle, ControlFlow) {
    Ended run = ended_as("halt");
    run.rips  = {0x20'1000, 0x20'5000};
    EXPECT_EQ(verdict_on(run), Verdict::uncoded_end);
    run.rips.push_back(0x80'0000);
    EXPECT_EQ(verdict_on(run), Verdict::control_flow);
    EXPECT_EQ(verdict_on(run, "nmi@1", foreign()), Verdict::other_end); // a kernel is larger
    run.rips.push_back(0xFFFF'8000'0000'0000);
    EXPECT_EQ(verdict_on(run, "nmi@1", foreign()), Verdict::control_flow);
}

TEST(AttackOracle, ForeignGuests) {
    EXPECT_EQ(verdict_on(exited(), "nmi@1", foreign()), Verdict::right_result);
    EXPECT_EQ(verdict_on(terminated(1, 0), "nmi@1", foreign()), Verdict::coded_end);
    EXPECT_EQ(verdict_on(ended_as("shutdown"), "nmi@1", foreign()), Verdict::other_end);
    EXPECT_EQ(verdict_on(ended_as("timeout"), "nmi@1", foreign()), Verdict::other_end);
    EXPECT_EQ(verdict_on(exited("one\ntoo\n"), "nmi@1", foreign()), Verdict::wrong_result);
    Ended other  = ended_as("reset");
    other.output = "panic\n";
    EXPECT_EQ(verdict_on(other, "nmi@1", foreign()), Verdict::other_end);
}

TEST(AttackOracle, NamesGoBothWays) {
    for (unsigned n = 0; n < verdict_count; ++n) {
        EXPECT_EQ(verdict_of(name_of(static_cast<Verdict>(n))), static_cast<Verdict>(n));
    }
    EXPECT_FALSE(verdict_of("right"));
    EXPECT_FALSE(is_finding(Verdict::other_end));
    EXPECT_TRUE(is_finding(Verdict::uncoded_end));
}

TEST(AttackMinimise, FewestLiesSimplestParameters) {
    const Lies drawn = plan_of("no-sev\nevent:0x1700000b0e@400\nnmi@7\nvc-within:0x72@30+90\n");
    unsigned runs    = 0;
    // What matters is a #PF at or behind the 20th entry, with an NMI somewhere.
    const auto found = [&runs](const Lies& plan) {
        ++runs;
        const auto event = std::ranges::find(plan, Lie::event, &Hostility::lie);
        return event != plan.end() && event->at >= 20 && (event->code & 0xFF) == 0x0E
               && std::ranges::find(plan, Lie::nmi, &Hostility::lie) != plan.end();
    };
    const Lies small = minimised(drawn, found, 100);
    EXPECT_EQ(kinds_of(small), "event nmi");
    EXPECT_EQ(small[0].code, 0xB0EU);
    EXPECT_LT(small[0].at, 30U);
    EXPECT_GE(small[0].at, 20U);
    EXPECT_EQ(small[1].at, 1U);
    EXPECT_LE(runs, 100U);
}

TEST(AttackMinimise, KeepsToItsRunsAndToWhatWasSeen) {
    const Lies drawn = plan_of("event:0x80000b0e@400\nnmi@7\n");
    unsigned runs    = 0;
    const auto never = [&runs](const Lies&) { return ++runs == 0; };
    EXPECT_EQ(text_of(minimised(drawn, never, 3)), text_of(drawn));
    EXPECT_EQ(runs, 3U);
}

namespace {

Campaign campaign(u64 shard = 1, u64 shards = 1, u64 seed = 1) {
    return {
        .guests  = {{"guest.igvm", digest_of("guest")}},
        .options = {"--platform", "sev-es"},
        .seed    = seed,
        .kinds   = {"nmi"},
        .most    = 3,
        .shard   = shard,
        .shards  = shards
    };
}

RunLine run_line(u64 number, Verdict verdict) {
    return {
        .number  = number,
        .plan    = {"nmi@3", "nmi@4", "event:0x80000312@17"},
        .verdict = verdict,
        .cause   = is_finding(verdict) ? "uncoded shutdown at 0x1" : "",
        .end     = "an end",
        .told    = 1,
        .seconds = 1.2343
    };
}

Finding finding(u64 number, std::string cause, std::vector<std::string> plan) {
    return {.number   = number,
            .verdict  = Verdict::uncoded_end,
            .cause    = std::move(cause),
            .why      = "triple fault",
            .plan     = std::move(plan),
            .drawn    = {"nmi@3"},
            .file     = "out/finding-1-3.plan",
            .replay   = "sevsim run guest.igvm --plan out/finding-1-3.plan",
            .replayed = 2};
}

} // namespace

TEST(AttackResults, AreReadAsTheyWereWritten) {
    const std::string text =
        line_of(campaign()) + line_of(run_line(3, Verdict::uncoded_end), {1, 2})
        + line_of(finding(3, "cause", {"nmi@1"})) + stop_line("budget", 1, 1, 2, 12.3456);
    json::expect_valid(text);
    const auto read = results_of(text);
    ASSERT_TRUE(read) << read.error();
    EXPECT_EQ(read->campaign, campaign());
    ASSERT_EQ(read->runs.size(), 1U);
    EXPECT_EQ(read->runs.at(3).verdict, Verdict::uncoded_end);
    EXPECT_EQ(read->runs.at(3).plan, run_line(3, Verdict::leak).plan);
    EXPECT_EQ(read->runs.at(3).seconds, 1.234);
    EXPECT_EQ(read->places, (PlaceSet{1, 2}));
    ASSERT_EQ(read->findings.size(), 1U);
    EXPECT_EQ(line_of(read->findings[0]), line_of(finding(3, "cause", {"nmi@1"})));
    EXPECT_EQ(read->whole, text.size());
}

/// Killed at any byte: what is read is what was whole.
TEST(AttackResults, CutAtEveryByte) {
    const std::string first  = line_of(campaign());
    const std::string second = first + line_of(run_line(3, Verdict::leak), {1});
    const std::string all    = second + line_of(run_line(4, Verdict::coded_end), {});
    for (std::size_t size = first.size(); size <= all.size(); ++size) {
        const auto read = results_of(all.substr(0, size));
        ASSERT_TRUE(read) << read.error();
        const std::size_t whole = size == all.size()      ? all.size()
                                  : size >= second.size() ? second.size()
                                                          : first.size();
        EXPECT_EQ(read->whole, whole);
        EXPECT_EQ(read->runs.size(), whole == first.size() ? 0U : whole == second.size() ? 1U : 2U);
    }
    EXPECT_FALSE(results_of(first.substr(0, first.size() - 1)));
    EXPECT_FALSE(results_of(first + "{}\n"));
    EXPECT_FALSE(results_of(first + "{\"run\":-1}\n" + line_of(run_line(4, Verdict::leak), {})));
    EXPECT_FALSE(results_of("{\"schema\":\"vestibule.run/1\"}\n"));
}

TEST(AttackSummary, ShardsAreOneCampaignAndCausesOneFinding) {
    Results one{
        .campaign = campaign(1, 2), .places = {1, 2}
    };
    Results two{
        .campaign = campaign(2, 2), .places = {2, 3}
    };
    one.runs.emplace(0, run_line(0, Verdict::right_result));
    one.runs.emplace(2, run_line(2, Verdict::uncoded_end));
    two.runs.emplace(1, run_line(1, Verdict::coded_end));
    one.findings = {finding(2, "cause", {"nmi@1", "nmi@2"}), finding(2, "other", {"nmi@1"})};
    two.findings = {finding(1, "cause", {"nmi@5"})};
    // The first shard twice: by mistake, or since it was copied.
    const Summary summary = summary_of({one, two, one});
    EXPECT_EQ(summary.campaigns.size(), 1U);
    EXPECT_EQ(summary.runs, 3U);
    EXPECT_EQ(summary.places.size(), 3U);
    ASSERT_EQ(summary.findings.size(), 2U);
    EXPECT_EQ(summary.findings[0].plan, std::vector<std::string>{"nmi@5"});
    EXPECT_EQ(summary.times[0], 2U);
    EXPECT_EQ(summary.by_kind.at("nmi")[static_cast<unsigned>(Verdict::coded_end)], 1U);
    EXPECT_EQ(summary.by_kind.at("event")[static_cast<unsigned>(Verdict::coded_end)], 1U);
    const std::string text = report_of(summary);
    EXPECT_NE(text.find("3 runs"), std::string::npos) << text;
    EXPECT_NE(text.find("Findings: 2"), std::string::npos) << text;
    EXPECT_NE(text.find("--plan out/finding-1-3.plan"), std::string::npos) << text;
    // Another seed is another campaign, whose run 0 is another run.
    Results three{.campaign = campaign(1, 1, 2)};
    three.runs.emplace(0, run_line(0, Verdict::right_result));
    EXPECT_EQ(summary_of({one, two, three}).runs, 4U);
}

TEST(AttackCommand, TimesAndShards) {
    EXPECT_EQ(time_of("90"), 90s);
    EXPECT_EQ(time_of("120s"), 120s);
    EXPECT_EQ(time_of("2m"), 2min);
    EXPECT_EQ(time_of("1h"), 1h);
    for (const char* wrong : {"", "s", "0", "1d", "-1s", "1.5m", "99999999999h"}) {
        EXPECT_FALSE(time_of(wrong)) << wrong;
    }
    EXPECT_EQ(shard_of("3/8"), (std::pair<u64, u64>{3, 8}));
    for (const char* wrong : {"", "3", "0/8", "9/8", "3/", "/8", "3/8/1"}) {
        EXPECT_FALSE(shard_of(wrong)) << wrong;
    }
}

} // namespace vestibule::sevsim::attack
