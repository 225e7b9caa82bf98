// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a campaign writes as it goes, a JSON object a line (vestibule.attack/1, docs/json.md), and
// what it reads again: a campaign that was killed goes on behind its last whole line, and shards
// are merged from these files alone.
#pragma once

#include "sevsim/attack/oracle.h"

#include <expected>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::sevsim::attack {

/// Which campaign it is: all that decides what plan `n` is.
struct Campaign {
    struct Guest {
        std::string file;
        std::string digest; ///< SHA-256 of its files and of what it was started with

        bool operator==(const Guest&) const = default;
    };

    std::vector<Guest> guests;
    std::vector<std::string> options; ///< of `sevsim run`, the same for each guest
    u64 seed = 1;
    std::vector<std::string> kinds; ///< empty: all
    unsigned most = 1;              ///< lies in a plan
    bool uniform  = false;
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::string corpus{}; ///< SHA-256 of its plans; empty: none
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::string plans{}; ///< SHA-256 of plans that were given; empty: they are drawn
    u64 shard = 1, shards = 1;

    bool operator==(const Campaign&) const = default;
};

struct RunLine {
    u64 number = 0;
    u64 guest  = 0; ///< index
    std::vector<std::string> plan;
    Verdict verdict = Verdict::failed;
    std::string cause; ///< of a finding
    std::string end;
    u64 told       = 0;
    u64 new_places = 0;
    double seconds = 0;
};

struct Finding {
    u64 number      = 0; ///< of the plan that found it
    u64 guest       = 0;
    Verdict verdict = Verdict::failed;
    std::string cause, why;
    std::vector<std::string> plan;  ///< the smallest
    std::vector<std::string> drawn; ///< as it was drawn
    std::string file;               ///< in which the smallest is
    std::string replay;             ///< the command line
    unsigned replayed = 0;          ///< so many times it came to the same again
};

struct Results {
    Campaign campaign;
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::map<u64, RunLine> runs{}; ///< by number
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    std::vector<Finding> findings{};
    // NOLINTNEXTLINE(readability-redundant-member-init): may go unnamed
    PlaceSet places{};
    std::size_t whole = 0; ///< bytes up to the end of the last whole line
};

std::string line_of(const Campaign& campaign);
std::string line_of(const RunLine& run, const PlaceSet& new_places);
std::string line_of(const Finding& finding);

/// How a campaign has stopped, and its sums.
std::string stop_line(std::string_view why, u64 runs, u64 findings, u64 places, double seconds);

/// Of such a file. A last line without its end is what a killed campaign leaves, and is passed
/// over; any other line that cannot be read is an error, which says which.
std::expected<Results, std::string> results_of(std::string_view text);

/// Hexadecimal SHA-256.
std::string digest_of(std::string_view bytes);

} // namespace vestibule::sevsim::attack
