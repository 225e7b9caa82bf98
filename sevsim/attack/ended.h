// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a campaign knows of one run: how it ended, what it said, which rules were broken, and which
// places of the guest's code it has come to.
#pragma once

#include "sevsim/records.h"
#include "x86/types.h"

#include <expected>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::sevsim::attack {

/// A place: a #VC, a VMGEXIT or an end, with its exit code and RIP, as one number.
using PlaceSet = std::set<u64>;

/// Two runs that meet the same place get the same number for it.
u64 place_of(std::string_view kind, u64 code, u64 rip);

/// One that is not allowed (--allow).
struct BrokenRule {
    std::string rule;
    std::string rip; ///< of the first time; empty where that is not known
    u64 count = 0;
};

struct Ended {
    std::string kind; ///< report.h's end_name()
    std::optional<u64> value;
    std::optional<ReasonCodes> reason;
    std::optional<u64> lost_page; ///< that its exceptions need, and that is not validated
    std::optional<u64> idt_limit; ///< where it shut down
    std::string reason_name;      ///< empty: none in the guest's table
    std::string words;            ///< how it ended, in words
    std::string output;           ///< the guest's serial port
    std::vector<BrokenRule> broken;
    std::vector<u64> rips; ///< where it last left the guest, and where it stood at the end
    u64 told     = 0;      ///< lies
    u64 vmruns   = 0;
    u64 vcs      = 0;
    u64 vmgexits = 0;
    PlaceSet places;
    double seconds = 0;
};

/// Of `sevsim run --json`; what it has printed comes from elsewhere.
std::expected<Ended, std::string> ended_of(std::string_view report);

/// One of a batch: a line of `sevsim run --plans`.
struct Planned {
    u64 plan = 0; ///< its index in the file of plans
    Ended ended;
};

/// An error where the line is none.
std::expected<Planned, std::string> planned_of(std::string_view line);

} // namespace vestibule::sevsim::attack
