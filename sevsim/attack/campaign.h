// SPDX-License-Identifier: BSD-2-Clause-Patent
// A campaign: honest runs first, then a run a plan, findings made small and replayed, and every
// step of it a line of the results, so that it can be ended at any moment and gone on with.
#pragma once

#include "sevsim/attack/draws.h"
#include "sevsim/attack/oracle.h"
#include "sevsim/attack/results.h"

#include <chrono>
#include <expected>
#include <optional>
#include <string>
#include <vector>

namespace vestibule::sevsim::attack {

/// What `sevsim attack` was asked for.
struct AttackOptions {
    std::string program;                          ///< sevsim itself, which runs each plan
    std::vector<std::vector<std::string>> guests; ///< each as `sevsim run` takes it
    std::vector<std::string> guest_names;         ///< by which each is called
    std::vector<std::string> files;               ///< all of them, for the digest
    std::vector<std::string> options;             ///< of `sevsim run`, for each guest
    std::vector<std::string> behind;              ///< what goes to QEMU
    std::string from;                             ///< as `sevsim run` takes it; empty: the start
    bool snp = false;
    u64 seed = 1;
    std::optional<u64> runs; ///< plans of the whole campaign, of which a shard has its part
    std::chrono::milliseconds budget{}; ///< zero: none
    std::optional<u64> enough;          ///< findings that end the campaign
    std::vector<Kind> kinds;            ///< empty: all
    std::vector<Lies> plans;            ///< given, instead of any that are drawn
    unsigned minimising = 24;           ///< runs that making a finding small may cost
    unsigned most       = 3;            ///< lies in a plan
    unsigned jobs       = 1;
    unsigned batch      = 0; ///< plans in one QEMU; 0: each has its own
    u64 shard = 1, shards = 1;
    bool uniform = false;
    std::string corpus;   ///< a directory of plans; empty: none
    std::string out;      ///< where results go
    unsigned timeout = 0; ///< seconds for a run; 0: by how long an honest one takes
    Oracle oracle;
    bool quiet = false;
};

struct CampaignEnd {
    std::string why;  ///< "runs", "budget", "findings" or "interrupted"
    int signal = 0;   ///< that interrupted it
    Results results;  ///< with those of earlier invocations
    std::string file; ///< in which they are
};

/// An error in words where the campaign could not begin or its results could not be written.
std::expected<CampaignEnd, std::string> run_campaign(const AttackOptions& options);

/// A plan's file for `--plan`, with what it shows in comments.
std::string plan_file(const Finding& finding);

/// Words as a shell takes them.
std::string shell_words(const std::vector<std::string>& words);

} // namespace vestibule::sevsim::attack
