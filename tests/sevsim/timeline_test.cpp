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
    EXPECT_NE(svg.find("the guest powered off; a column is 20 ms"), std::string::npos);
    EXPECT_EQ(svg.find("<path fill"), std::string::npos);
}

TEST(SevsimTimeline, KindsPileUp) {
    RunResult result      = powered_off();
    result.records.slices = {
        {.at = 0, .kind = "MSR protocol", .name = "CPUID",           .count = 2},
        {.at = 0, .kind = "MSR protocol", .name = "SEV information", .count = 1},
        {.at = 3, .kind = "GHCB",         .name = "IOIO",            .count = 3},
        {.at = 3, .kind = "GHCB",         .name = "CPUID",           .count = 1},
        {.at = 4, .kind = "GHCB",         .name = "IOIO",            .count = 1},
    };
    const std::string svg = timeline(result);
    expect_well_formed(svg);
    // Four in 20 ms are the most: all of the plot's 360, IOIO below and CPUID on top of it.
    EXPECT_NE(svg.find("d=\"M83 160.0h1v270.0h-1zM84 340.0h1v90.0h-1z\""), std::string::npos)
        << svg;
    EXPECT_NE(svg.find("d=\"M83 70.0h1v90.0h-1z\""), std::string::npos);
    EXPECT_NE(svg.find("d=\"M80 160.0h1v270.0h-1z\""), std::string::npos);
    for (const char* line : {">IOIO: 4<", ">MSR protocol: 3<", ">CPUID: 1<", ">200<"}) {
        EXPECT_NE(svg.find(line), std::string::npos) << line;
    }
}

TEST(SevsimTimeline, LongRunsAndManyKinds) {
    RunResult result = powered_off();
    for (u64 n = 0; n < 20; ++n) {
        result.records.slices.push_back({.at    = n * 1000,
                                         .kind  = "GHCB",
                                         .name  = fmt::format("<kind \"{}\">\x01", n),
                                         .count = 100 - n});
    }
    const std::string svg = timeline(result);
    expect_well_formed(svg);
    EXPECT_NE(svg.find("a column is 440 ms"), std::string::npos); // 19001 slices, 22 a column
    EXPECT_EQ(count(svg, "<path fill"), 8u);
    EXPECT_NE(svg.find("&lt;kind &quot;6&quot;&gt;?: 94"), std::string::npos);
    EXPECT_NE(svg.find(">others: 1131<"), std::string::npos); // 93 + 92 + ... + 81
    EXPECT_LT(svg.size(), 10'000u);
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
