// SPDX-License-Identifier: BSD-2-Clause-Patent
// `sevsim attack` and `sevsim attack merge`: their options, and what they print.
#pragma once

#include "sevsim/attack/campaign.h"

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace vestibule::sevsim::attack {

/// What the command line says.
struct AttackCommand {
    AttackOptions options;
    std::vector<std::string> images; ///< IGVM files
    std::string kernel, initrd, append, firmware;
    std::string platform = "sev-es";
    std::vector<std::string> kinds;
    std::string budget, shard, oracle, compared, ignored, plans;
    std::vector<std::string> merged; ///< results to merge
    std::string merged_into;
    CLI::App* verb  = nullptr;
    CLI::App* merge = nullptr;
};

/// Adds the verb.
void describe_attack(CLI::App& app, AttackCommand& command);

/// Runs the campaign, or merges; `behind` goes to QEMU. The exit status.
int run_attack(AttackCommand& command, std::vector<std::string> behind);

} // namespace vestibule::sevsim::attack
