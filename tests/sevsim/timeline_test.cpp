// SPDX-License-Identifier: BSD-2-Clause-Patent
// The picture of a run: well-formed whatever the records say, with a column where there were
// VMGEXITs and a line in the legend for each kind.
#include "sevsim/timeline.h"

#include "tests/xml.h"

#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

RunResult powered_off() {
    RunResult result;
    result.records.outcome.emplace().kind = OutcomeKind::power_off;
    return result;
}

u64 count(const std::string& text, std::string_view part) {
    u64 found = 0;
    for (u64 at = 0; (at = text.find(part, at)) != std::string::npos; ++at) {
        ++found;
    }
    return found;
}

} // namespace

TEST(SevsimTimeline, Empty) {
    const std::string svg = timeline(powered_off());
    expect_well_formed(svg);
    EXPECT_TRUE(svg.starts_with("<svg "));
    EXPECT_NE(svg.find("the guest powered off; a column is 1 ms"), std::string::npos);
    EXPECT_EQ(svg.find("<path fill"), std::string::npos);
}

TEST(SevsimTimeline, ALaneAKind) {
    RunResult result      = powered_off();
    result.guest          = "guest <1>";
    result.records.slices = {
        {.at = 0, .kind = "MSR protocol", .name = "CPUID",           .count = 2},
        {.at = 0, .kind = "MSR protocol", .name = "SEV information", .count = 1},
        {.at = 3, .kind = "GHCB",         .name = "IOIO",            .count = 3},
        {.at = 3, .kind = "GHCB",         .name = "CPUID",           .count = 1},
        {.at = 4, .kind = "GHCB",         .name = "IOIO",            .count = 1},
    };
    const std::string svg = timeline(result);
    expect_well_formed(svg);
    // Five columns of 1 ms on 1200: the axis ends where the run does. IOIO's lane is the first,
    // three are the most in it: all of its 56.
    for (const char* part :
         {"d=\"M930.0 140h240.00v-56.0h-240.00z\"><title>IOIO from 3 ms on: 3<",
          "d=\"M1170.0 140h240.00v-18.7h-240.00z\"><title>IOIO from 4 ms on: 1<",
          "<title>MSR protocol from 0 ms on: 3<", "<title>CPUID from 3 ms on: 1<", ">IOIO: 4<",
          ">MSR protocol: 3<", ">CPUID: 1<", ">at most 3000 a second<", ">end: 5 ms<",
          "<title>VMGEXITs of guest &lt;1&gt;</title>"}) {
        EXPECT_NE(svg.find(part), std::string::npos) << part << "\n" << svg;
    }
}

TEST(SevsimTimeline, Marks) {
    RunResult result     = powered_off();
    result.records.start = Start{.platform = "sev-es",
                                 .c_bit    = 47,
                                 .memory   = 0,
                                 .vcpus    = 1,
                                 .tsc_hz   = 1'000'000,
                                 .time     = 500};
    result.output        = "first <line>\nsecond\n";
    result.records.marks = {
        {Mark::Kind::serial_line, 1500, ""          },
        {Mark::Kind::lie,         2500, "no-sev"    },
        {Mark::Kind::violation,   3500, "ghcb-usage"},
        {Mark::Kind::serial_line, 4500, ""          },
        {Mark::Kind::serial_line, 100,  ""          }, // before the start, and of no line
    };
    const std::string svg = timeline(result);
    expect_well_formed(svg);
    for (const char* part :
         {"<title>serial lines at 1.000 ms: first &lt;line&gt;<",
          "<title>lies at 2.000 ms: no-sev<", "<title>broken rules at 3.000 ms: ghcb-usage<",
          "<title>serial lines at 4.000 ms: second<", "<title>serial lines at 0.000 ms: <",
          ">serial lines: 3<", ">lies: 1<", ">broken rules: 1<", ">end: 4 ms<"}) {
        EXPECT_NE(svg.find(part), std::string::npos) << part << "\n" << svg;
    }
}

TEST(SevsimTimeline, LongRunsAndManyKinds) {
    RunResult result = powered_off();
    for (u64 n = 0; n < 20; ++n) {
        result.records.slices.push_back({.at    = n * 20'000,
                                         .kind  = "GHCB",
                                         .name  = fmt::format("<kind \"{}\">\x01", n),
                                         .count = 100 - n});
    }
    const std::string svg = timeline(result);
    expect_well_formed(svg);
    EXPECT_NE(svg.find("a column is 960 ms"), std::string::npos) << svg; // 380.02 s in 400 columns
    EXPECT_EQ(count(svg, "<path fill"), 20u);
    EXPECT_NE(svg.find("&lt;kind &quot;6&quot;&gt;?: 94"), std::string::npos);
    EXPECT_NE(svg.find(">others: 1131<"), std::string::npos); // 93 + 92 + ... + 81
    EXPECT_LT(svg.size(), 20'000u);
}

TEST(SevsimTimeline, WithoutOutcome) {
    RunResult result;
    result.qemu           = {Ending::timed_out, 0};
    result.timeout        = std::chrono::seconds{3};
    const std::string svg = timeline(result);
    expect_well_formed(svg);
    EXPECT_NE(svg.find("no end within 3 s"), std::string::npos);
}

} // namespace vestibule::sevsim
