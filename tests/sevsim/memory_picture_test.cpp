// SPDX-License-Identifier: BSD-2-Clause-Patent
// The picture of the reverse map table: well-formed whatever the records say, a rectangle for each
// run and a line in the legend for each state.
#include "sevsim/memory_picture.h"
#include "sevsim/page_states.h"

#include "tests/xml.h"

namespace vestibule::sevsim {

namespace {

RunResult powered_off() {
    RunResult result;
    result.records.outcome.emplace().kind = OutcomeKind::power_off;
    return result;
}

std::string name(PageState state) { return page_state_names[static_cast<unsigned>(state)]; }

} // namespace

TEST(SevsimMemoryPicture, Empty) {
    const std::string svg = memory_picture(powered_off());
    expect_well_formed(svg);
    EXPECT_NE(svg.find("the guest powered off; a row is 2 MiB"), std::string::npos);
    EXPECT_NE(svg.find("validated: 0 pages"), std::string::npos);
}

TEST(SevsimMemoryPicture, RunsGoOnInTheNextRow) {
    RunResult result     = powered_off();
    result.records.pages = {
        {.gpa = 0x1F'F000,   .pages = 2,   .state = name(PageState::shared)   },
        {.gpa = 0x20'1000,   .pages = 3,   .state = name(PageState::validated)},
        {.gpa = 0xFFE0'0000, .pages = 512, .state = name(PageState::vmsa)     },
        {.gpa = 0x40'0000,   .pages = 1,   .state = "<no such state>"         },
    };
    const std::string svg = memory_picture(result);
    expect_well_formed(svg);
    // The last page of the first row and the first one of the second.
    EXPECT_NE(svg.find("M1132 50h2v8h-2zM110 58h2v8h-2z"), std::string::npos) << svg;
    EXPECT_NE(svg.find("M112 58h6v8h-6z"), std::string::npos);
    for (const char* line :
         {"shared: 2 pages", ">validated: 3 pages", "VMSA: 512 pages", ">0xffe00000<"}) {
        EXPECT_NE(svg.find(line), std::string::npos) << line;
    }
}

TEST(SevsimMemoryPicture, LargeGuestsHaveLargerColumns) {
    RunResult result     = powered_off();
    result.records.pages = {
        {.gpa = 0,             .pages = 0xC'0000,  .state = name(PageState::validated)},
        {.gpa = 0x1'0000'0000, .pages = 0x34'0000, .state = name(PageState::untouched)},
        {.gpa = 0x4'4000'0000, .pages = 2,         .state = name(PageState::shared)   },
    };
    const std::string svg = memory_picture(result);
    expect_well_formed(svg);
    EXPECT_NE(svg.find("a row is 16 MiB, a column 32 KiB"), std::string::npos);
    EXPECT_NE(svg.find("h0.5v1h-0.5z"), std::string::npos);
    EXPECT_NE(svg.find(">0x100000000<"), std::string::npos);
}

} // namespace vestibule::sevsim
