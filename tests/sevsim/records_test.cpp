// SPDX-License-Identifier: BSD-2-Clause-Patent
// The monitor's records: what they say, and what of them is not believed.
#include "sevsim/records.h"

#include <gtest/gtest.h>

namespace vestibule::sevsim {

namespace {

constexpr const char* outcome_line =
    R"({"record":"outcome","kind":"terminate","value":0,"detail":"by MSR","reason_set":2,)"
    R"("reason_code":17,"registers":{"rip":"0x10","rax":"0xffffffffffffffff"},"code":"0f a2",)"
    R"("vmruns":1234,"vc":12,"vmgexits":13,"shared_pages":1})";

struct Reading {
    RunRecords records;
    std::vector<std::string> trace, complaints;
};

Reading read(std::string_view text, bool traced = true) {
    Reading reading;
    const RecordReader::Sink trace = [&](std::string_view line) {
        reading.trace.emplace_back(line);
    };
    RecordReader reader{traced ? trace : nullptr,
                        [&](std::string_view what) { reading.complaints.emplace_back(what); }};
    reader.take(text);
    reader.finish(RecordReader::End::by_itself);
    reading.records = reader.records();
    return reading;
}

std::string line(std::string_view text) { return std::string{text} + "\n"; }

} // namespace

/// A monitor that tells what there is so far tells all of it.
TEST(Records, SoFarBeginsAnew) {
    const std::string count =
        line(R"({"record":"count","kind":"#VC","code":"0x72","name":"CPUID","count":5})");
    const std::string last = line(
        R"({"record":"last-exit","kind":"#VC","code":"0x72","name":"CPUID","rip":"0x1","count":1})");
    const std::string so_far = line(R"({"record":"so-far"})");
    const auto records       = read(so_far + count + last + so_far + count + last).records;
    ASSERT_EQ(records.exits.size(), 1u);
    EXPECT_EQ(records.exits[0].vc, 5u);
    EXPECT_EQ(records.last_exits.size(), 1u);
}

TEST(Records, ReadsAWholeRun) {
    const std::string text =
        line(R"({"record":"start","platform":"sev-es","c_bit":47,"memory":268435456})")
        + line(R"({"record":"vc","code":"0x72"})")
        + line(R"({"record":"violation","rule":"r","rip":"0x1","detail":"first"})")
        + line(R"({"record":"violation","rule":"r","rip":"0x2","detail":"second"})")
        + line(R"({"record":"count","kind":"#VC","code":"0x72","name":"CPUID","count":12})")
        + line(R"({"record":"count","kind":"GHCB","code":"0x72","name":"CPUID","count":10})")
        + line(R"({"record":"count","kind":"MSR protocol","code":"0x4","name":"C","count":2})")
        + line(R"({"record":"profile","code":"0x7b","name":"OUT","before":5,"after":6,"total":11,)"
               R"("vmgexits":1,"count":3})")
        + line(R"({"record":"profile-rest","count":1})") + line(outcome_line);
    const Reading reading     = read(text);
    const RunRecords& records = reading.records;
    EXPECT_TRUE(reading.complaints.empty());
    EXPECT_EQ(records.malformed, 0u);

    ASSERT_TRUE(records.start);
    EXPECT_EQ(records.start->platform, "sev-es");
    EXPECT_EQ(records.start->c_bit, 47u);
    EXPECT_EQ(records.start->memory, 268435456u);

    ASSERT_EQ(records.violations.size(), 1u);
    EXPECT_EQ(records.violations[0].count, 2u);
    EXPECT_EQ(records.violations[0].first_rip, "0x1");
    EXPECT_EQ(records.violations[0].first_detail, "first");

    ASSERT_EQ(records.exits.size(), 2u);
    EXPECT_EQ(records.exits[0].code, 0x72u);
    EXPECT_EQ(records.exits[0].vc, 12u);
    EXPECT_EQ(records.exits[0].ghcb, 10u);
    EXPECT_EQ(records.exits[0].msr_protocol, 0u);
    EXPECT_EQ(records.exits[1].msr_protocol, 2u);

    ASSERT_EQ(records.profile.size(), 1u);
    EXPECT_EQ(records.profile[0].code, 0x7Bu);
    EXPECT_EQ(records.profile[0].name, "OUT");
    EXPECT_EQ(records.profile[0].before, 5u);
    EXPECT_EQ(records.profile[0].after, 6u);
    EXPECT_EQ(records.profile[0].total, 11u);
    EXPECT_EQ(records.profile[0].vmgexits, 1u);
    EXPECT_EQ(records.profile[0].count, 3u);
    EXPECT_EQ(records.unprofiled, 1u);

    ASSERT_TRUE(records.outcome);
    EXPECT_EQ(records.outcome->kind, OutcomeKind::terminate);
    EXPECT_EQ(records.outcome->detail, "by MSR");
    ASSERT_TRUE(records.outcome->reason);
    EXPECT_EQ(records.outcome->reason->set, 2);
    EXPECT_EQ(records.outcome->reason->code, 17);
    ASSERT_EQ(records.outcome->registers.size(), 2u);
    EXPECT_EQ(records.outcome->registers[0].first,
              "rip"); // the monitor's order, not the alphabet's
    EXPECT_EQ(records.outcome->code, "0f a2");
    EXPECT_EQ(records.outcome->vmruns, 1234u);
    EXPECT_EQ(records.outcome->shared_pages, 1u);
}

TEST(Records, TraceIsVerbatimAndInOrder) {
    const std::string vc        = R"({"record" : "vc",  "n":1.50})";
    const std::string violation = R"({"record":"violation","rule":"r"})";
    const std::string count =
        R"({"record":"count","kind":"#VC","code":"0x72","name":"CPUID","count":12})";
    const Reading reading = read(line(vc) + line(count) + line(violation) + line(outcome_line));
    EXPECT_EQ(reading.trace, (std::vector<std::string>{vc, violation, outcome_line}));
    EXPECT_TRUE(reading.complaints.empty());
}

TEST(Records, DumpIsBytes) {
    std::string dumped;
    RecordReader reader{nullptr, [](std::string_view what) { ADD_FAILURE() << what; },
                        [&](std::string_view bytes) { dumped += bytes; }};
    reader.take(line(R"({"record":"dump","bytes":"00 ff 41"})")
                + line(R"({"record":"violation","rule":"r"})")
                + line(R"({"record":"dump","bytes":"0a"})"));
    EXPECT_EQ(dumped, std::string("\0\xff\x41\n", 4));
    // Nobody has asked for it.
    EXPECT_TRUE(read(line(R"({"record":"dump","bytes":"00 ff"})")).complaints.empty());
}

TEST(Records, UnknownKindIsNamedWhenNoTraceWasAskedFor) {
    const Reading reading = read(line(R"({"record":"new"})"), false);
    ASSERT_EQ(reading.complaints.size(), 1u);
    EXPECT_NE(reading.complaints[0].find("\"new\""), std::string::npos);
    EXPECT_EQ(reading.records.malformed, 0u);
}

TEST(Records, EveryTruncationIsMalformed) {
    const std::string whole = outcome_line;
    for (std::size_t length = 0; length < whole.size(); ++length) {
        const std::string cut = whole.substr(0, length);
        EXPECT_EQ(read(line(cut)).records.malformed, 1u) << cut;
        EXPECT_FALSE(read(line(cut)).records.outcome) << cut;
        // Cut off by the end of all, as when QEMU is killed.
        EXPECT_EQ(read(cut).records.malformed, length == 0 ? 0u : 1u) << cut;
    }
    // Whole but for the end of its line: the monitor writes that last.
    EXPECT_FALSE(read(whole).records.outcome);
}

TEST(Records, ComesInAnyPieces) {
    const std::string text = line(R"({"record":"start","platform":"native","c_bit":47,"memory":1})")
                             + line(outcome_line);
    for (const std::size_t piece : {1uz, 2uz, 7uz, 100uz}) {
        RecordReader reader{nullptr, [](std::string_view what) { ADD_FAILURE() << what; }};
        for (std::size_t at = 0; at < text.size(); at += piece) {
            reader.take(std::string_view{text}.substr(at, piece));
        }
        reader.finish(RecordReader::End::by_itself);
        EXPECT_TRUE(reader.records().start);
        EXPECT_TRUE(reader.records().outcome);
    }
}

TEST(Records, StopInTheMiddleOfALine) {
    for (const auto end : {RecordReader::End::by_itself, RecordReader::End::stopped}) {
        std::vector<std::string> complaints;
        std::vector<std::string> traced;
        RecordReader reader{[&](std::string_view text) { traced.emplace_back(text); },
                            [&](std::string_view what) { complaints.emplace_back(what); }};
        reader.take(line(outcome_line) + R"({"record":"vc","vcpu":0,"ti)");
        reader.finish(end);
        EXPECT_TRUE(reader.records().outcome);
        EXPECT_TRUE(traced.empty() || traced.back().ends_with('}'));
        const bool whole = end == RecordReader::End::stopped;
        EXPECT_EQ(complaints.empty(), whole);
        EXPECT_EQ(reader.records().malformed, whole ? 0u : 1u);
    }
}

TEST(Records, WrongMembersAreMalformed) {
    for (
        const char* wrong : {
            "",
            "null",
            "[]",
            "17",
            "\"record\"",
            "{}",
            "{]",
            R"({"record":1})",
            R"({"record":"start"})",
            R"({"record":"start","platform":"sev-es","c_bit":"47","memory":1})",
            R"({"record":"start","platform":"sev-es","c_bit":64,"memory":1})",
            R"({"record":"start","platform":7,"c_bit":47,"memory":1})",
            R"({"record":"start","platform":"sev-es","c_bit":47,"memory":1e3})",
            R"({"record":"violation"})",
            R"({"record":"violation","rule":{}})",
            R"({"record":"violation","rule":"r","detail":[]})",
            R"({"record":"count","kind":"VC","code":"0x72","name":"CPUID","count":1})",
            R"({"record":"count","kind":"#VC","code":"72","name":"CPUID","count":1})",
            R"({"record":"count","kind":"#VC","code":"0072","name":"CPUID","count":1})",
            R"({"record":"count","kind":"#VC","code":"0x","name":"CPUID","count":1})",
            R"({"record":"count","kind":"#VC","code":"0x-1","name":"CPUID","count":1})",
            R"({"record":"count","kind":"#VC","code":"0x11111111111111111","name":"C","count":1})",
            R"({"record":"count","kind":"#VC","code":"0x72","name":"CPUID","count":-1})",
            R"({"record":"count","kind":"#VC","code":"0x72","name":"CPUID","count":1.0})",
            R"({"record":"count","kind":"#VC","code":"0x72","name":"C","count":18446744073709551616})",
            R"({"record":"profile"})",
            R"({"record":"profile","code":"0x7b","name":"OUT","before":5,"after":6,"total":11,"vmgexits":1,"count":0})",
            R"({"record":"profile","code":"0x7b","name":"OUT","before":5,"after":6,"vmgexits":1,"count":1})",
            R"({"record":"profile-rest","count":"1"})",
            R"({"record":"page-states"})",
            R"({"record":"page-states","gpa":"0x1000","pages":0,"state":"shared"})",
            R"({"record":"page-states","gpa":"0x1001","pages":1,"state":"shared"})",
            R"({"record":"page-states","gpa":"0x440000000","pages":1,"state":"shared"})",
            R"({"record":"page-states","gpa":"0x0","pages":4456449,"state":"shared"})",
            R"({"record":"page-states","gpa":"0x0","pages":1,"state":7})",
            R"({"record":"dump"})",
            R"({"record":"dump","bytes":""})",
            R"({"record":"dump","bytes":"0"})",
            R"({"record":"dump","bytes":"000"})",
            R"({"record":"dump","bytes":"00 "})",
            R"({"record":"dump","bytes":"00 0"})",
            R"({"record":"dump","bytes":"00-00"})",
            R"({"record":"dump","bytes":"0x"})",
            R"({"record":"dump","bytes":"-1"})",
            R"({"record":"outcome"})",
            R"({"record":"outcome","kind":"fine","value":0})",
            R"({"record":"outcome","kind":"exit"})",
            R"({"record":"outcome","kind":"unsupported-event"})",
            R"({"record":"outcome","kind":"exit","value":null})",
            R"({"record":"outcome","kind":"exit","value":-1})",
            R"({"record":"outcome","kind":"exit","value":1e400})",
            R"({"record":"outcome","kind":"terminate","reason_set":16,"reason_code":0})",
            R"({"record":"outcome","kind":"terminate","reason_set":0,"reason_code":256})",
            R"({"record":"outcome","kind":"halt","registers":[]})",
            R"({"record":"outcome","kind":"halt","registers":{"rip":1}})",
            R"({"record":"outcome","kind":"halt","vmruns":"1"})",
            "{\"record\":\"outcome\",\"kind\":\"exit\",\"value\":0,\"detail\":\"\xff\"}",
        }) {
        const Reading reading = read(line(wrong));
        EXPECT_EQ(reading.records.malformed, 1u) << wrong;
        EXPECT_EQ(reading.complaints.size(), 1u) << wrong;
        EXPECT_FALSE(reading.records.outcome) << wrong;
        EXPECT_FALSE(reading.records.start) << wrong;
        EXPECT_TRUE(reading.records.exits.empty()) << wrong;
        EXPECT_TRUE(reading.records.violations.empty()) << wrong;
        EXPECT_TRUE(reading.records.profile.empty()) << wrong;
        EXPECT_FALSE(reading.records.unprofiled) << wrong;
    }
}

TEST(Records, LargestNumbersAreNumbers) {
    const Reading reading = read(line(
        R"({"record":"outcome","kind":"exit","value":18446744073709551615,"vmruns":18446744073709551615})"));
    ASSERT_TRUE(reading.records.outcome);
    EXPECT_EQ(reading.records.outcome->value, ~u64{0});
    EXPECT_EQ(reading.records.outcome->vmruns, ~u64{0});
}

TEST(Records, FirstOutcomeStands) {
    const Reading reading = read(line(R"({"record":"outcome","kind":"exit","value":3})")
                                 + line(R"({"record":"outcome","kind":"exit","value":0})"));
    ASSERT_TRUE(reading.records.outcome);
    EXPECT_EQ(reading.records.outcome->value, 3u);
    EXPECT_EQ(reading.records.malformed, 1u);
}

TEST(Records, OverlongLineIsSkippedAndTheNextIsRead) {
    const std::string longest(RecordReader::longest_line, ' ');
    EXPECT_TRUE(read(line(outcome_line + longest.substr(std::string_view{outcome_line}.size())))
                    .records.outcome);
    // A megabyte in pieces, as a pipe gives it, with something in its tail that looks like a
    // record.
    RecordReader reader{nullptr, [](std::string_view) {}};
    for (int i = 0; i < 16; ++i) {
        reader.take(longest);
    }
    reader.take(line(R"({"record":"outcome","kind":"exit","value":0})"));
    EXPECT_FALSE(reader.records().outcome);
    reader.take(line(R"({"record":"outcome","kind":"exit","value":5})"));
    reader.finish(RecordReader::End::by_itself);
    EXPECT_EQ(reader.records().malformed, 1u);
    ASSERT_TRUE(reader.records().outcome);
    EXPECT_EQ(reader.records().outcome->value, 5u);
}

TEST(Records, DeepNestingIsNoStackOverflow) {
    const std::string deep(60'000, '[');
    EXPECT_EQ(read(line(deep)).records.malformed, 1u);
    const std::string object =
        R"({"record":"vc","x":)" + std::string(30'000, '[') + std::string(30'000, ']') + "}";
    EXPECT_EQ(read(line(object)).trace.size(), 1u);
}

} // namespace vestibule::sevsim
