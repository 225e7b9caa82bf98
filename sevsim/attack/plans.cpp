// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/plans.h"

#include "sevsim/plan_file.h"
#include "sevsim/qemu_command.h"

#include <algorithm>

namespace vestibule::sevsim::attack {

std::vector<std::string> words_of(const Lies& plan) {
    std::vector<std::string> words;
    words.reserve(plan.size());
    for (const Hostility& lie : plan) {
        words.push_back(hostility(lie));
    }
    return words;
}

std::string text_of(const Lies& plan) {
    std::string text;
    for (const std::string& word : words_of(plan)) {
        text += word + "\n";
    }
    return text;
}

std::expected<Lies, std::string> lies_of(std::string_view text) {
    const auto plans = parse_plans(text);
    if (!plans) {
        return std::unexpected(plans.error());
    }
    return plans->empty() ? Lies{} : Lies(plans->front().begin(), plans->front().end());
}

std::string kinds_of(const Lies& plan) {
    std::string names;
    for (const LieDescription& row : lies) {
        if (std::ranges::find(plan, row.lie, &Hostility::lie) != plan.end()) {
            names += (names.empty() ? "" : " ") + std::string{row.name};
        }
    }
    return names;
}

} // namespace vestibule::sevsim::attack
