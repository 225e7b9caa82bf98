// SPDX-License-Identifier: BSD-2-Clause-Patent
// Whole campaigns with a shell script in the place of `sevsim run`: what is found, that plans are
// the same however the work is divided, and that a campaign goes on wherever it was cut.
#include "sevsim/attack/campaign.h"

#include "sevsim/attack/summary.h"
#include "tests/json/expect_valid.h"

#include <fmt/format.h>

#include <algorithm>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <sys/stat.h>

namespace vestibule::sevsim::attack {

namespace {

namespace fs = std::filesystem;

/// A guest that goes wrong where an event and an NMI come in one run, and ends by a code at a
/// forged #VC. Each run is a line of the file `runs`.
constexpr const char* fake_sevsim = R"(#!/bin/sh
for word; do
    case $before in
    --json) json=$word ;;
    --trace) trace=$word ;;
    --hostile) lies="$lies $word" ;;
    --snapshot) echo "$word" >>"$DIRECTORY/snapshots" ;;
    esac
    before=$word
done
echo "run$lies" >>"$DIRECTORY/runs"
. "$DIRECTORY/before"
kind=exit value=0 words='exited with code 0' reason= output='hello'
case $lies in
*nmi@*event:* | *event:*nmi@*) output='hullo' ;;
*vc:*) kind=terminate value=null words='VC_OPCODE_MISMATCH' output=
    reason=',"reason_set":2,"reason_code":"0x30","reason_name":"VC_OPCODE_MISMATCH"' ;;
esac
echo '{"record":"vc","code":"0x72","rip":"0x201000","info1":"0x0","name":"CPUID"}
{"record":"vmgexit","code":"0x72","rip":"0x200200","info1":"0x0","name":"CPUID"}
{"record":"vc","code":"0x7b","rip":"0x201000","info1":"0x0","name":"IOIO"}
{"record":"vmgexit","code":"0x7b","rip":"0x200200","info1":"0x0","name":"IOIO"}' >"$trace"
[ -z "$output" ] || echo "$output"
echo '{"schema":"vestibule.run/1","outcome":{"kind":"'$kind'","value":'$value',"words":"'$words'"'$reason'},
"counts":{"vmrun":40,"vc":2,"vmgexit":2},"hostile":{"told":1},"violations":[],"last_exits":[],"state":null}' >"$json"
)";

class AttackCampaign : public ::testing::Test {
  protected:
    AttackCampaign() {
        std::string name = (fs::temp_directory_path() / "attack-test-XXXXXX").string();
        directory_       = mkdtemp(name.data());
        setenv("DIRECTORY", directory_.c_str(), 1);
        write("sevsim", fake_sevsim);
        chmod(path("sevsim").c_str(), 0700);
        write("guest.igvm", "a guest");
        write("before", "");
    }

    ~AttackCampaign() override { fs::remove_all(directory_); }

    std::string path(const std::string& name) const { return (directory_ / name).string(); }

    void write(const std::string& name, std::string_view text) const {
        std::ofstream{path(name), std::ios::binary} << text;
    }

    std::string read(const std::string& name) const {
        std::ifstream file{path(name), std::ios::binary};
        return {std::istreambuf_iterator<char>{file}, {}};
    }

    AttackOptions options(const std::string& out = "out") const {
        AttackOptions options;
        options.program     = path("sevsim");
        options.guests      = {{path("guest.igvm")}};
        options.guest_names = {path("guest.igvm")};
        options.files       = options.guest_names;
        options.kinds       = {
            {Lie::vc_instead, {}},
            {Lie::event,      {}},
            {Lie::nmi,        {}}
        };
        options.runs  = 40;
        options.out   = path(out);
        options.quiet = true;
        return options;
    }

    /// Each plan with its verdict, by its number.
    static std::string plans_of(const Results& results) {
        std::string text;
        for (const auto& [number, run] : results.runs) {
            text += fmt::format("{} {}", number, name_of(run.verdict));
            for (const std::string& lie : run.plan) {
                text += " " + lie;
            }
            text += "\n";
        }
        return text;
    }

    /// The campaign's results, which must have come to their end.
    static Results run(const AttackOptions& options) {
        const auto end = run_campaign(options);
        EXPECT_TRUE(end) << end.error();
        if (!end) {
            return {};
        }
        EXPECT_EQ(end->why, "runs");
        return end->results;
    }

    static std::string failure(const AttackOptions& options) {
        const auto end = run_campaign(options);
        return end ? "it ran" : end.error();
    }

    std::size_t runs_of_guest() const {
        const std::string text = read("runs");
        return static_cast<std::size_t>(std::ranges::count(text, '\n'));
    }

    fs::path directory_;
};

} // namespace

TEST_F(AttackCampaign, FindsMakesSmallAndReplays) {
    const Results results = run(options());
    EXPECT_EQ(results.runs.size(), 40U);
    json::expect_valid(read("out/attack.jsonl"));
    ASSERT_EQ(results.findings.size(), 1U);
    const Finding& finding = results.findings[0];
    EXPECT_EQ(finding.verdict, Verdict::wrong_result);
    EXPECT_EQ(finding.why, "'hullo' in the place of 'hello'");
    EXPECT_EQ(finding.plan.size(), 2U);
    EXPECT_EQ(finding.replayed, 2U);
    EXPECT_NE(finding.replay.find("run " + path("guest.igvm")), std::string::npos)
        << finding.replay;
    EXPECT_NE(finding.replay.find("--plan " + finding.file), std::string::npos) << finding.replay;
    std::ifstream file{finding.file};
    const std::string text{std::istreambuf_iterator<char>{file}, {}};
    const auto plan = lies_of(text);
    ASSERT_TRUE(plan) << plan.error();
    EXPECT_EQ(words_of(*plan), finding.plan);
    // What reached an end that no run before had is kept.
    EXPECT_FALSE(fs::is_empty(path("out/corpus")));
    std::array<unsigned, verdict_count> verdicts{};
    for (const auto& [number, line] : results.runs) {
        ++verdicts[static_cast<unsigned>(line.verdict)];
    }
    EXPECT_GT(verdicts[static_cast<unsigned>(Verdict::right_result)], 0U);
    EXPECT_GT(verdicts[static_cast<unsigned>(Verdict::coded_end)], 0U);
    EXPECT_GT(verdicts[static_cast<unsigned>(Verdict::wrong_result)], 0U);
}

TEST_F(AttackCampaign, TheSameHoweverItIsDivided) {
    const std::string whole = plans_of(run(options()));
    AttackOptions by_three  = options("three");
    by_three.jobs           = 3;
    EXPECT_EQ(plans_of(run(by_three)), whole);
    std::vector<Results> shards;
    Results together;
    for (u64 shard = 1; shard <= 3; ++shard) {
        AttackOptions part = options("shards");
        part.shard         = shard;
        part.shards        = 3;
        shards.push_back(run(part));
        for (const auto& [number, line] : shards.back().runs) {
            EXPECT_TRUE(together.runs.emplace(number, line).second) << number;
        }
    }
    EXPECT_EQ(plans_of(together), whole);
    const Summary summary = summary_of(shards);
    EXPECT_EQ(summary.campaigns.size(), 1U);
    EXPECT_EQ(summary.runs, 40U);
    EXPECT_EQ(summary.findings.size(), 1U);
    AttackOptions other = options("other");
    other.seed          = 2;
    EXPECT_NE(plans_of(run(other)), whole);
}

TEST_F(AttackCampaign, GoesOnWhereItWasCut) {
    const std::string whole = plans_of(run(options()));
    const std::string lines = read("out/attack.jsonl");
    for (std::size_t part = 1; part <= 4; ++part) {
        // In the middle of a line as likely as not; the first cut is in the first line.
        const std::size_t size = part == 1 ? 20 : lines.size() * part / 5;
        write("out/attack.jsonl", lines.substr(0, size));
        write("runs", "");
        EXPECT_EQ(plans_of(run(options())), whole);
        const auto left =
            static_cast<std::size_t>(40 - std::ranges::count(lines.substr(0, size), '{'));
        EXPECT_LT(runs_of_guest(), left + 60) << part;
        json::expect_valid(read("out/attack.jsonl"));
    }
    // All is done: the honest run alone.
    write("runs", "");
    EXPECT_EQ(plans_of(run(options())), whole);
    EXPECT_EQ(read("runs"), "run\n");
    // More of it: the plans that are new.
    AttackOptions more = options();
    more.runs          = 45;
    write("runs", "");
    EXPECT_TRUE(plans_of(run(more)).starts_with(whole));
    EXPECT_LE(runs_of_guest(), 6U + 30U);
}

/// What was found and not yet made small when it was cut is made small then.
TEST_F(AttackCampaign, AFindingIsNotLost) {
    const Results whole     = run(options());
    const std::string lines = read("out/attack.jsonl");
    const auto at           = lines.find("{\"finding\"");
    ASSERT_NE(at, std::string::npos);
    write("out/attack.jsonl", lines.substr(0, at));
    fs::remove(whole.findings.at(0).file);
    const Results again = run(options());
    ASSERT_EQ(again.findings.size(), 1U);
    EXPECT_EQ(again.findings[0].plan, whole.findings[0].plan);
    EXPECT_TRUE(fs::exists(again.findings[0].file));
}

TEST_F(AttackCampaign, AnInterruptedOneEndsInGoodOrder) {
    // Who runs this in the background of a shell has it ignored.
    std::signal(SIGINT, SIG_DFL);
    const std::string whole = plans_of(run(options("whole")));
    write("runs", "");
    // The tenth run sends what Ctrl-C does, and would not come back for an hour.
    write("before",
          "if [ `wc -l <$DIRECTORY/runs` -eq 10 ]; then kill -INT $PPID; sleep 3600; fi\n");
    const auto end = run_campaign(options());
    ASSERT_TRUE(end) << end.error();
    EXPECT_EQ(end->why, "interrupted");
    EXPECT_EQ(end->signal, SIGINT);
    EXPECT_LT(end->results.runs.size(), 10U);
    json::expect_valid(read("out/attack.jsonl"));
    write("before", "");
    EXPECT_EQ(plans_of(run(options())), whole);
}

TEST_F(AttackCampaign, ResultsOfAnotherCampaign) {
    run(options());
    for (const char* what : {"seed", "guest", "kinds", "lies", "shard file"}) {
        AttackOptions other = options();
        if (what[0] == 's' && what[1] == 'e') {
            other.seed = 2;
        } else if (what[0] == 'g') {
            write("guest.igvm", "another guest");
        } else if (what[0] == 'k') {
            other.kinds = {
                {Lie::nmi, {}}
            };
        } else if (what[0] == 'l') {
            other.most = 1;
        } else {
            write("out/attack.jsonl", "no results\n");
        }
        EXPECT_NE(failure(other).find("attack.jsonl: "), std::string::npos)
            << what << ": " << failure(other);
    }
}

TEST_F(AttackCampaign, GuestsThatCannotBeAttacked) {
    write("before", "exit 2\n");
    EXPECT_NE(failure(options()).find("no report"), std::string::npos);
    write(
        "before",
        R"(echo '{"schema":"vestibule.run/1","outcome":{"kind":"timeout","value":null,"words":"no end"}}' >"$json"
exit 1
)");
    EXPECT_NE(failure(options("other")).find("no end"), std::string::npos);
    AttackOptions options_without = options("third");
    options_without.files         = {path("missing")};
    EXPECT_NE(failure(options_without).find("missing: No such file"), std::string::npos);
    AttackOptions without_corpus = options("fourth");
    without_corpus.corpus        = path("missing");
    EXPECT_NE(failure(without_corpus).find("missing: "), std::string::npos);
    write("before", "");
    AttackOptions pages = options("fifth");
    pages.kinds         = {
        {Lie::page_taken, {}}
    };
    EXPECT_NE(failure(pages).find("none of these lies"), std::string::npos);
}

/// A guest of ours that breaks a rule when nobody lies is a finding before the first plan; what is
/// allowed is none.
TEST_F(AttackCampaign, FindingsOfAnHonestRun) {
    const auto breaking = [](const char* allowed) {
        return fmt::format(
            R"(echo '{{"schema":"vestibule.run/1","outcome":{{"kind":"exit","value":0,"words":"ok"}},
"counts":{{"vmrun":40}},"violations":[{{"rule":"ghcb-stale-bits","first_rip":"0x1","count":1,"allowed":{}}}]}}' >"$json"
echo '{{"record":"vc","code":"0x72","rip":"0x201000","info1":"0x0","name":"CPUID"}}' >"$trace"
exit 0
)",
            allowed);
    };
    write("before", breaking("true"));
    AttackOptions few = options();
    few.runs          = 3;
    EXPECT_TRUE(run(few).findings.empty());
    write("before", breaking("false"));
    AttackOptions other = options("other");
    other.runs          = 3;
    EXPECT_EQ(run(other).findings.size(), 1U);
    const Results again = run(other); // and is told once
    ASSERT_EQ(again.findings.size(), 1U);
    EXPECT_EQ(again.findings[0].verdict, Verdict::leak);
    EXPECT_TRUE(again.findings[0].plan.empty());
    json::expect_valid(read("other/attack.jsonl"));
}

TEST_F(AttackCampaign, PlansThatAreGiven) {
    AttackOptions given = options();
    given.kinds         = {};
    given.plans         = {
        {{.lie = Lie::vc_instead, .code = 0x72, .at = 1}},
        {{.lie = Lie::nmi, .at = 1}, {.lie = Lie::event, .code = 1, .at = 2}}
    };
    given.runs         = given.plans.size();
    const Results seen = run(given);
    EXPECT_EQ(plans_of(seen), "0 coded end vc:0x72@1\n1 wrong result nmi@1 event:0x1@2\n");
}

TEST_F(AttackCampaign, EndsWhenItHasFoundEnough) {
    AttackOptions all = options();
    all.runs          = 100'000;
    all.enough        = 1;
    const auto end    = run_campaign(all);
    ASSERT_TRUE(end) << end.error();
    EXPECT_EQ(end->why, "findings");
    EXPECT_EQ(end->results.findings.size(), 1U);
    json::expect_valid(read("out/attack.jsonl"));
}

/// Twice: a plan that seems to hang gets three times the time.
TEST_F(AttackCampaign, ASlowRunIsNoHang) {
    write("before", R"(case "$* $lies" in
*'--timeout 7 '*nmi@*) echo '{"schema":"vestibule.run/1","outcome":{"kind":"timeout","value":null,"words":"no end"}}' >"$json"
    exit 1 ;;
esac
)");
    AttackOptions slow = options();
    slow.timeout       = 7;
    slow.kinds         = {
        {Lie::nmi, {}}
    };
    slow.most             = 1;
    slow.runs             = 5;
    const Results results = run(slow);
    EXPECT_EQ(results.runs.size(), 5U);
    for (const auto& [number, line] : results.runs) {
        EXPECT_EQ(line.verdict, Verdict::right_result);
    }
    EXPECT_EQ(runs_of_guest(), 11U);
}

TEST(AttackShell, Words) {
    EXPECT_EQ(shell_words({"sevsim", "run", "a b", "it's", "--x=1", ""}),
              "sevsim run 'a b' 'it'\\''s' --x=1 ''");
}

/// One machine is kept for all runs, and the line that replays a finding needs none.
TEST_F(AttackCampaign, FromSomewhereOn) {
    AttackOptions from  = options();
    from.from           = "7";
    from.options        = {"--from", "7"};
    const Results found = run(from);
    ASSERT_FALSE(found.findings.empty());
    EXPECT_NE(found.findings.front().replay.find(" --from 7 "), std::string::npos);
    EXPECT_EQ(found.findings.front().replay.find("--snapshot"), std::string::npos);
    std::istringstream snapshots{read("snapshots")};
    std::set<std::string> names;
    std::size_t count = 0;
    for (std::string name; std::getline(snapshots, name); ++count) {
        names.insert(name);
    }
    EXPECT_EQ(names.size(), 1U);
    EXPECT_EQ(count, runs_of_guest()); // two honest ones among them
    EXPECT_TRUE(read("runs").starts_with("run\nrun\nrun "));
}

} // namespace vestibule::sevsim::attack
