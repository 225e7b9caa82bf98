// SPDX-License-Identifier: BSD-2-Clause-Patent
// The report for programs: as its schema has it however a run has ended, and saying the same as the
// words.
#include "sevsim/report_json.h"

#include "tests/json/expect_valid.h"

#include <csignal>

namespace vestibule::sevsim {

namespace {

using Json = nlohmann::json;

Json json_of(const RunResult& result, const RunOptions& options = {},
             const std::vector<Expectation>& expectations = {}) {
    const std::string text = report_json(result, options, expectations);
    json::expect_valid(text);
    return Json::parse(text);
}

RunResult ended(OutcomeKind kind, u64 value = 0) {
    RunResult result;
    result.records.outcome.emplace();
    result.records.outcome->kind  = kind;
    result.records.outcome->value = value;
    return result;
}

} // namespace

TEST(ReportJson, EveryEnd) {
    const Json exited = json_of(ended(OutcomeKind::exit, 3));
    EXPECT_EQ(exited.at("outcome").at("kind"), "exit");
    EXPECT_EQ(exited.at("outcome").at("value"), 3);
    EXPECT_EQ(exited.at("outcome").at("words"), "the guest exited with code 3");
    EXPECT_EQ(exited.at("status"), 1);
    EXPECT_EQ(exited.at("machine"), nullptr);
    for (const OutcomeKind kind :
         {OutcomeKind::power_off, OutcomeKind::reset, OutcomeKind::unsupported_event,
          OutcomeKind::shutdown, OutcomeKind::halt, OutcomeKind::stop, OutcomeKind::monitor_error,
          OutcomeKind::terminate}) {
        EXPECT_EQ(json_of(ended(kind)).at("outcome").at("kind"), std::string(name_of(kind)));
    }
    RunResult terminated               = ended(OutcomeKind::terminate);
    terminated.records.outcome->reason = {2, 5};
    const Json asked                   = json_of(terminated).at("outcome");
    EXPECT_EQ(asked.at("reason_set"), 2);
    EXPECT_EQ(asked.at("reason_code"), "0x5");
    EXPECT_EQ(asked.at("reason_name"), "C_BIT_NOT_PRIVATE");
    RunResult lost             = ended(OutcomeKind::stop);
    lost.records.outcome->page = 0x20'5000;
    EXPECT_EQ(json_of(lost).at("outcome").at("page"), "0x205000");
    EXPECT_FALSE(json_of(ended(OutcomeKind::stop)).at("outcome").contains("page"));
}

/// Without an outcome, or with one that the host has asked for, it is how QEMU ended that counts.
TEST(ReportJson, EndsThatAreNotTheGuests) {
    struct Case {
        ProcessEnd end;
        const char* kind;
        Json value;
        int status;
    };

    for (const Case& each : {
             Case{{Ending::timed_out, 0},        "timeout",     nullptr, 1  },
             Case{{Ending::interrupted, SIGINT}, "interrupted", SIGINT,  130},
             Case{{Ending::unread, 0},           "unread",      nullptr, 1  },
             Case{{Ending::killed, SIGKILL},     "qemu-killed", SIGKILL, 1  },
             Case{{Ending::exited, 7},           "qemu-exited", 7,       1  },
    }) {
        for (const bool asked : {false, true}) {
            RunResult result = asked ? ended(OutcomeKind::host) : RunResult{};
            result.qemu      = each.end;
            result.records.violations.push_back(
                {.rule = "ghcb-version", .count = 2, .first_rip = "", .first_detail = ""});
            const Json object = json_of(result);
            EXPECT_EQ(object.at("outcome").at("kind"), each.kind);
            EXPECT_EQ(object.at("outcome").at("value"), each.value) << each.kind;
            EXPECT_EQ(object.at("status"), each.status) << each.kind;
            EXPECT_EQ(object.at("violations")[0].at("at_least"), !asked);
        }
    }
}

TEST(ReportJson, TheWholeReport) {
    RunResult result    = ended(OutcomeKind::halt);
    RunRecords& records = result.records;
    Outcome& outcome    = *records.outcome;
    records.start       = Start{.platform = "sev-snp",
                                .c_bit    = 51,
                                .memory   = u64{64} << 20,
                                .vcpus    = 2,
                                .tsc_hz   = 2'000'000'000};
    outcome.detail      = "nobody \"answers\"";
    outcome.registers   = {
        {"rip", "0x1000"},
        {"rax", "0x0"   }
    };
    outcome.code   = "f4";
    outcome.vcpu   = 1;
    outcome.vmruns = 9;
    outcome.vc     = 4;
    outcome.lies   = 3;
    records.exits  = {
        {.code = 0x7B, .name = "IOIO", .vc = 4, .ghcb = 3, .msr_protocol = 0}
    };
    records.violations = {
        {.rule = "ghcb-stale-bits", .count = 5, .first_rip = "0x10", .first_detail = "RCX"},
    };
    records.last_exits = {
        {.kind = "GHCB", .code = 0x7B, .name = "IOIO", .rip = "0x20", .count = 7}
    };
    records.profile = {
        {.code     = 0x72,
         .name     = "CPUID",
         .before   = 1,
         .after    = 2,
         .total    = 3,
         .vmgexits = 1,
         .count    = 8}
    };
    records.unprofiled   = 1;
    result.hostility     = "no-sev";
    result.allowed       = {"ghcb-stale-bits"};
    result.launch_digest = "00ff";
    result.unwritten     = {"/dev/full: No space left on device"};
    RunOptions options;
    options.kind   = GuestKind::kernel;
    options.file   = "vmlinuz\xFF";
    options.append = "quiet";
    const Json all = json_of(result, options, {*expectation_of("halt"), *expectation_of("exit=1")});
    EXPECT_EQ(all.at("guest").at("command_line"), "quiet");
    EXPECT_EQ(all.at("machine").at("tsc_hz"), 2'000'000'000);
    EXPECT_EQ(all.at("exits")[0].at("code"), "0x7b");
    EXPECT_EQ(all.at("violations")[0].at("allowed"), true);
    EXPECT_EQ(all.at("hostile").at("told"), 3);
    EXPECT_EQ(all.at("last_exits")[0].at("count"), 7);
    EXPECT_EQ(all.at("state").at("registers").at("rip"), "0x1000");
    EXPECT_EQ(all.at("profile").at("samples")[0].at("total"), 3);
    EXPECT_EQ(all.at("expectations")[0].at("happened"), true);
    EXPECT_EQ(all.at("expectations")[1].at("happened"), false);
    EXPECT_EQ(all.at("unwritten").size(), 1U);
    EXPECT_EQ(all.at("counts").at("pvalidate"), nullptr);
    EXPECT_EQ(all.at("launch_digest"), "00ff");
}

} // namespace vestibule::sevsim
