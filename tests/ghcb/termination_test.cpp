// SPDX-License-Identifier: BSD-2-Clause-Patent
// The table of termination reasons: every reason that the guest can give has exactly one row, so
// that the tools name whatever a guest ended with.
#include "ghcb/termination.h"
#include "tests/ghcb/mock.h"
#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace vestibule::test {

namespace reason = ghcb::reason;

/// The constants of namespace reason, by the header's own text: a constant that is added without a
/// row is then found.
static std::map<std::string, std::pair<u8, u8>> declared_reasons() {
    const std::map<std::string, u8> sets = {
        {"set_specification", reason::set_specification},
        {"set_vestibule",     reason::set_vestibule    },
    };
    const std::regex line(R"(inline constexpr Reason (\w+)\{(\w+), (\w+)\};.*)");
    std::map<std::string, std::pair<u8, u8>> reasons;
    std::ifstream header(TERMINATION_H);
    EXPECT_TRUE(header.is_open()) << TERMINATION_H;
    for (std::string text; std::getline(header, text);) {
        std::smatch match;
        if (std::regex_match(text, match, line)) {
            reasons[match[1]] = {sets.at(match[2]),
                                 static_cast<u8>(std::stoul(match[3], nullptr, 0))};
        }
    }
    return reasons;
}

TEST(Reasons, NoTwoRowsForOne) {
    std::set<std::pair<u8, u8>> seen;
    for (const ghcb::TerminationReason& row : ghcb::termination_reasons) {
        EXPECT_TRUE(seen.emplace(row.set, row.code).second) << row.name;
    }
}

TEST(Reasons, NamesAreUniqueAndMeaningsThere) {
    std::set<std::string_view> names;
    const auto check = [&](const ghcb::TerminationReason& row) {
        EXPECT_TRUE(names.emplace(row.name).second) << row.name;
        EXPECT_FALSE(std::string_view{row.name}.empty());
        EXPECT_FALSE(std::string_view{row.meaning}.empty()) << row.name;
    };
    for (const ghcb::TerminationReason& row : ghcb::termination_reasons) {
        check(row);
    }
    for (const ghcb::TerminationReason& row : ghcb::open_sets) {
        check(row);
    }
}

TEST(Reasons, EveryConstantHasARow) {
    const auto reasons = declared_reasons();
    EXPECT_GE(reasons.size(), 20U);
    for (const auto& [name, key] : reasons) {
        const auto [set, code] = key;
        if (name == "ghcb_malformed_input") { // a base: the protocol's reason is added to it
            EXPECT_EQ(ghcb::find_termination(set, code), nullptr);
            for (u8 n = 1; n <= 6; ++n) {
                EXPECT_NE(ghcb::find_termination(set, static_cast<u8>(code + n)), nullptr);
            }
            EXPECT_EQ(ghcb::find_termination(set, static_cast<u8>(code + 7)), nullptr);
            continue;
        }
        EXPECT_NE(ghcb::find_termination(set, code), nullptr) << name;
    }
}

TEST(Reasons, EveryRowIsAConstant) {
    std::set<std::pair<u8, u8>> constants;
    for (const auto& [name, key] : declared_reasons()) {
        constants.insert(key);
    }
    for (const ghcb::TerminationReason& row : ghcb::termination_reasons) {
        const bool malformed = row.set == 2 && row.code >= 0x21 && row.code <= 0x26;
        EXPECT_TRUE(malformed || constants.contains({row.set, row.code})) << row.name;
    }
}

TEST(Reasons, TheSpecificationsOwn) {
    EXPECT_STREQ(ghcb::find_termination(0, 0)->name, "GENERAL");
    EXPECT_STREQ(ghcb::find_termination(0, 1)->name, "PROTOCOL_RANGE");
    EXPECT_STREQ(ghcb::find_termination(0, 2)->name, "FEATURE_UNSUPPORTED");
    EXPECT_EQ(reason::protocol_range.set, 0);
    EXPECT_EQ(reason::protocol_range.code, 1);
    EXPECT_EQ(reason::feature_unsupported.set, 0);
    EXPECT_EQ(reason::feature_unsupported.code, 2);
    EXPECT_EQ(ghcb::find_termination(0, 3), nullptr);
}

TEST(Reasons, SetsFitTheirFourBitsAndKeepOutOfLinuxsSet) {
    for (const ghcb::TerminationReason& row : ghcb::termination_reasons) {
        EXPECT_LT(row.set, 16) << row.name;
        EXPECT_NE(row.set, 1) << row.name; // Linux and OVMF, which disagree
        for (const ghcb::TerminationReason& open : ghcb::open_sets) {
            EXPECT_NE(row.set, open.set) << row.name;
        }
    }
}

TEST(Reasons, OpenSetsHaveARowForEveryCode) {
    for (unsigned code = 0; code < 256; ++code) {
        for (const u8 set : {u8{3}, u8{4}, u8{5}}) {
            EXPECT_NE(ghcb::find_termination(set, static_cast<u8>(code)), nullptr);
        }
    }
}

TEST(Reasons, ExitCodesThatDoNotFitAreFf) {
    EXPECT_EQ(ghcb::exit_as_reason_code(0), 0x00);
    EXPECT_EQ(ghcb::exit_as_reason_code(0x81), 0x81);
    EXPECT_EQ(ghcb::exit_as_reason_code(0xFE), 0xFE);
    EXPECT_EQ(ghcb::exit_as_reason_code(0xFF), 0xFF);
    EXPECT_EQ(ghcb::exit_as_reason_code(0x100), 0xFF);
    EXPECT_EQ(ghcb::exit_as_reason_code(0x404), 0xFF);
    EXPECT_EQ(ghcb::exit_as_reason_code(0x1'0000'0072), 0xFF);
    EXPECT_EQ(ghcb::exit_as_reason_code(~u64{0}), 0xFF);
}

} // namespace vestibule::test
