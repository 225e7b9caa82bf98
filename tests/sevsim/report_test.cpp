// SPDX-License-Identifier: BSD-2-Clause-Patent
// The report's words, and the exit status that goes with them.
#include "sevsim/report.h"

#include <csignal>
#include <gtest/gtest.h>

namespace vestibule::sevsim {

namespace {

RunResult ended(OutcomeKind kind, u64 value = 0) {
    RunResult result;
    Outcome& outcome = result.records.outcome.emplace();
    outcome.kind     = kind;
    outcome.value    = value;
    return result;
}

RunResult without_outcome(Ending how, int value = 0) {
    RunResult result;
    result.qemu    = {how, value};
    result.timeout = std::chrono::milliseconds{1500};
    return result;
}

::testing::AssertionResult says(const std::string& text, std::string_view part) {
    return text.find(part) != std::string::npos ? ::testing::AssertionSuccess()
                                                : ::testing::AssertionFailure()
                                                      << "no '" << part << "' in:\n"
                                                      << text;
}

} // namespace

/// An image with the C-bit elsewhere ends before it has done anything.
TEST(Report, AsksForTheCBitAtTheFirstInstruction) {
    constexpr std::string_view question = "is it built for another C-bit than 51 (--cbit)?";
    for (const OutcomeKind kind : {OutcomeKind::shutdown, OutcomeKind::stop}) {
        RunResult result     = ended(kind);
        result.records.start = Start{.platform = "sev-es", .c_bit = 51};
        for (const unsigned vmruns : {1u, 2u}) {
            result.records.outcome->vmruns = vmruns;
            EXPECT_TRUE(says(report(result), question));
        }
        result.records.outcome->vmruns = 3;
        EXPECT_FALSE(says(report(result), question));
        result.records.outcome->vmruns = 1;
        result.records.start->platform = "native";
        EXPECT_FALSE(says(report(result), question));
    }
    RunResult result               = ended(OutcomeKind::halt);
    result.records.start           = Start{.platform = "sev-es", .c_bit = 51};
    result.records.outcome->vmruns = 1;
    EXPECT_FALSE(says(report(result), question));
}

TEST(Report, WholeText) {
    RunResult result     = ended(OutcomeKind::exit, 3);
    result.records.start = Start{.platform = "sev-es", .c_bit = 47, .memory = u64{256} << 20};
    result.records.outcome->vmruns       = 1234;
    result.records.outcome->vc           = 12;
    result.records.outcome->vmgexits     = 13;
    result.records.outcome->shared_pages = 1;
    result.records.exits                 = {
        {.code = 0x4,  .name = "CPUID request", .vc = 0,    .ghcb = 0,    .msr_protocol = 8},
        {.code = 0x7B, .name = "IOIO",          .vc = 1000, .ghcb = 1000, .msr_protocol = 0},
        {.code = 0x72, .name = "CPUID",         .vc = 12,   .ghcb = 10,   .msr_protocol = 0},
    };
    result.records.violations = {
        {.rule = "ghcb-missing-input", .count = 2, .first_rip = "0x100", .first_detail = "no RCX"},
        {.rule = "x",                  .count = 1, .first_rip = "",      .first_detail = ""      },
    };
    EXPECT_EQ(
        report(result),
        R"(sevsim: this was an emulation written from the specifications; it says nothing of silicon.
Platform sev-es, C-bit 47, 256 MiB of memory; VMRUN 1234, #VC 12, VMGEXIT 13, shared pages 1.

Exits served
  code        exit                  #VC        GHCB    MSR protocol
  0x72        CPUID                  12          10               -
  0x7b        IOIO                 1000        1000               -
  0x4         CPUID request           -           -               8
              total                1012        1010               8

Violations
  ghcb-missing-input       2  first at rip 0x100: no RCX
  x                        1

Outcome: the guest exited with code 3
)");
}

TEST(Report, ProfileIsATable) {
    RunResult result       = ended(OutcomeKind::exit);
    result.records.profile = {
        {.code     = 0x7B,
         .name     = "OUT",
         .before   = 30,
         .after    = 5,
         .total    = 35,
         .vmgexits = 1,
         .count    = 2},
        {.code     = 0x7B,
         .name     = "OUT",
         .before   = 20,
         .after    = 6,
         .total    = 26,
         .vmgexits = 1,
         .count    = 3},
        {.code     = 0x7B,
         .name     = "IN",
         .before   = 7,
         .after    = 8,
         .total    = 15,
         .vmgexits = 1,
         .count    = 1},
        {.code     = 0x72,
         .name     = "CPUID",
         .before   = 1,
         .after    = 2,
         .total    = 9,
         .vmgexits = 4,
         .count    = 1},
        {.code     = 0x72,
         .name     = "CPUID",
         .before   = 3,
         .after    = 2,
         .total    = 5,
         .vmgexits = 1,
         .count    = 1},
    };
    result.records.unprofiled = 1;
    // Of an even number, the lower of the two in the middle.
    EXPECT_TRUE(says(report(result),
                     R"(
Guest instructions per #VC, VMGEXITs and the handler's IRET not counted (least/median/most)
  code        exit               #VC    to the first VMGEXIT   from the last to IRET             total  VMGEXITs
  0x72        CPUID                2                   1/1/3                   2/2/2             5/5/9     1/1/4
  0x7b        IN                   1                   7/7/7                   8/8/8          15/15/15     1/1/1
  0x7b        OUT                  5                20/20/30                   5/6/6          26/26/35     1/1/1
  #VCs whose handler was not seen to return: 1; the one that ends the guest is among them

Violations: none
)"));
    result.records.profile.clear();
    EXPECT_TRUE(says(report(result), "\n#VCs whose handler was not seen to return: 1;"));
    result.records.unprofiled = 0;
    EXPECT_FALSE(says(report(result), "#VC"));
}

TEST(Report, OutcomesInWords) {
    EXPECT_TRUE(says(report(ended(OutcomeKind::exit)), "the guest exited with code 0"));
    EXPECT_TRUE(says(report(ended(OutcomeKind::unsupported_event, 0x8A)),
                     "gave up on an exit that it does not support (0x8a)\n"));
    EXPECT_TRUE(says(report(ended(OutcomeKind::shutdown)), "shut down (triple fault)"));
    EXPECT_TRUE(says(report(ended(OutcomeKind::halt)), "Outcome: the guest halted for good"));
    RunResult unheard               = ended(OutcomeKind::halt);
    unheard.records.outcome->reason = {2, 0x2B};
    EXPECT_TRUE(says(report(unheard), "termination: GHCB_NOT_ANSWERING (set 2, code 0x2b)"));
    EXPECT_TRUE(says(report(unheard), "It halted for good"));
    EXPECT_TRUE(says(report(ended(OutcomeKind::stop)), "the machine stopped the guest"));
    EXPECT_TRUE(says(report(ended(OutcomeKind::monitor_error)), "the monitor failed"));
    RunResult lost               = ended(OutcomeKind::stop);
    lost.records.outcome->detail = "not validated";
    lost.records.outcome->page   = 0x20'5000;
    EXPECT_TRUE(says(report(lost), "stopped the guest: not validated: 0x205000\n"));
    EXPECT_TRUE(says(report(ended(OutcomeKind::exit)), "Violations: none"));
}

TEST(Report, TerminationIsDecoded) {
    RunResult result = ended(OutcomeKind::terminate);
    EXPECT_TRUE(says(report(result), "Outcome: the guest asked for its termination\n"));
    result.records.outcome->reason = {.set = 0, .code = 2};
    EXPECT_TRUE(says(report(result), "FEATURE_UNSUPPORTED (set 0, code 0x2): SEV_STATUS shows"));
    result.records.outcome->reason = {.set = 15, .code = 255};
    EXPECT_TRUE(says(report(result), "unknown (set 15, code 0xff)"));
}

TEST(Report, StateIsShownUnlessTheGuestExited) {
    for (const OutcomeKind kind :
         {OutcomeKind::terminate, OutcomeKind::shutdown, OutcomeKind::halt, OutcomeKind::stop,
          OutcomeKind::monitor_error, OutcomeKind::exit}) {
        RunResult result                  = ended(kind);
        result.records.outcome->registers = {
            {"rip", "0x1"},
            {"rsp", "0x2"},
            {"rax", "0x3"},
            {"rbx", "0x4"},
            {"cr0", "0x5"}
        };
        result.records.outcome->code = "0f a2";
        const std::string text       = report(result);
        const bool shown             = kind != OutcomeKind::exit;
        EXPECT_EQ(bool{says(text, "rbx    0x4\n  cr0    0x5\n")}, shown) << text;
        EXPECT_EQ(bool{says(text, "Code at rip: 0f a2\n")}, shown) << text;
    }
}

TEST(Report, EndsWithoutOutcomeInWords) {
    EXPECT_TRUE(says(report(without_outcome(Ending::timed_out)), "no end within 1.5 s"));
    EXPECT_TRUE(says(report(without_outcome(Ending::killed, SIGSEGV)), "killed by SIGSEGV"));
    EXPECT_TRUE(
        says(report(without_outcome(Ending::interrupted, SIGINT)), "interrupted by SIGINT"));
    EXPECT_TRUE(says(report(without_outcome(Ending::exited, 1)), "QEMU ended with status 1"));
    EXPECT_TRUE(says(report(without_outcome(Ending::exited, 1)), "had not said that it started"));
    RunResult started     = without_outcome(Ending::exited, 1);
    started.records.start = Start{};
    EXPECT_FALSE(says(report(started), "had not said that it started"));
    EXPECT_FALSE(says(report(started), "Violations: none"));
}

TEST(Report, GuestCannotWriteOverIt) {
    RunResult result          = ended(OutcomeKind::exit);
    result.records.violations = {
        {.rule = "r", .count = 1, .first_rip = "", .first_detail = "\x1b[2J\r\n"}
    };
    result.records.outcome->detail = "a\x7f\nOutcome: fine";
    const std::string text         = report(result);
    EXPECT_TRUE(says(text, "?[2J??"));
    EXPECT_TRUE(says(text, "a??Outcome: fine"));
}

TEST(ExitStatus, IsZeroForSuccessOnly) {
    EXPECT_EQ(exit_status(ended(OutcomeKind::exit, 0)), 0);
    EXPECT_EQ(exit_status(ended(OutcomeKind::exit, 1)), 1);
    EXPECT_EQ(exit_status(ended(OutcomeKind::exit, 256)), 1);
    for (const OutcomeKind kind : {OutcomeKind::terminate, OutcomeKind::shutdown, OutcomeKind::halt,
                                   OutcomeKind::stop, OutcomeKind::monitor_error}) {
        EXPECT_EQ(exit_status(ended(kind)), 1);
    }
    for (const Ending how : {Ending::exited, Ending::killed, Ending::timed_out, Ending::unread}) {
        EXPECT_EQ(exit_status(without_outcome(how)), 1);
    }
    RunResult interrupted  = without_outcome(Ending::interrupted);
    interrupted.qemu.value = SIGINT;
    EXPECT_EQ(exit_status(interrupted), 130) << "as a shell has it";
    RunResult with_records  = ended(OutcomeKind::host);
    with_records.qemu.how   = Ending::interrupted;
    with_records.qemu.value = SIGINT;
    EXPECT_EQ(exit_status(with_records), 130) << "where the monitor had a last word";
    RunResult broke_a_rule          = ended(OutcomeKind::exit);
    broke_a_rule.records.violations = {
        {.rule = "r", .count = 1, .first_rip = "", .first_detail = ""}
    };
    EXPECT_EQ(exit_status(broke_a_rule), 1);
    RunResult unreadable         = ended(OutcomeKind::exit);
    unreadable.records.malformed = 1;
    EXPECT_EQ(exit_status(unreadable), 1);
}

} // namespace vestibule::sevsim
