// SPDX-License-Identifier: BSD-2-Clause-Patent
// Holds the lines of a batch against runs of the same plans alone: batch_compare LINES SINGLE..., a
// file a plan. How each has ended and where, what it has counted and which rules it has broken must
// be the same. Registers need not: a guest draws random numbers.
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

static int compare(const std::vector<std::string>& files) {
    using nlohmann::json;
    std::ifstream lines(files.at(0));
    unsigned wrong    = 0;
    std::size_t plans = 0;
    for (std::string line; std::getline(lines, line); ++plans) {
        const json run = json::parse(line);
        if (run.at("plan") != plans || plans + 1 >= files.size()) {
            std::printf("line %zu: plan %s\n", plans, run.at("plan").dump().c_str());
            return 1;
        }
        std::ifstream file(files[plans + 1]);
        const json alone        = json::parse(file);
        const json& state       = run.at("run").at("state");
        const json& state_alone = alone.at("state");
        if (state.is_null() != state_alone.is_null()
            || (!state.is_null()
                && state.at("registers").at("rip") != state_alone.at("registers").at("rip"))) {
            std::printf("plan %zu: it ends elsewhere\n", plans);
            ++wrong;
        }
        for (const char* member : {"outcome", "counts", "exits", "violations", "hostile",
                                   "last_exits", "launch_digest"}) {
            if (run.at("run").at(member) != alone.at(member)) {
                std::printf("plan %zu, %s: in a batch %s, alone %s\n", plans, member,
                            run.at("run").at(member).dump().c_str(),
                            alone.at(member).dump().c_str());
                ++wrong;
            }
        }
    }
    std::printf("counted: planned runs compared: %zu\n", plans);
    return plans + 1 != files.size() || wrong != 0 ? 1 : 0;
}

int main(int argc, char** argv) {
    try {
        return compare(std::vector<std::string>(argv + 1, argv + argc));
    } catch (const std::exception& error) {
        std::fprintf(stderr, "batch_compare: %s\n", error.what());
        return 1;
    }
}
