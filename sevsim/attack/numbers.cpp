// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/attack/numbers.h"

#include "igvm/format/number.h"

#include <algorithm>

namespace vestibule::sevsim::attack {

std::optional<std::chrono::milliseconds> time_of(std::string_view text) {
    u64 unit = 1;
    if (!text.empty()) {
        switch (text.back()) {
        case 's': break;
        case 'm': unit = 60; break;
        case 'h': unit = 3600; break;
        default: unit = 0; break;
        }
    }
    if (unit != 0 && !text.empty()) {
        text.remove_suffix(1);
    }
    constexpr u64 most = 1'000'000;
    const auto number  = igvm::number_of(text, {.least = 1, .most = most});
    if (!number) {
        return std::nullopt;
    }
    return std::chrono::seconds{*number * std::max<u64>(unit, 1)};
}

std::optional<std::pair<u64, u64>> shard_of(std::string_view text) {
    const auto slash = text.find('/');
    if (slash == std::string_view::npos) {
        return std::nullopt;
    }
    constexpr u64 most = 1'000'000;
    const auto count   = igvm::number_of(text.substr(slash + 1), {.least = 1, .most = most});
    if (!count) {
        return std::nullopt;
    }
    const auto index = igvm::number_of(text.substr(0, slash), {.least = 1, .most = *count});
    return index ? std::optional{std::pair{*index, *count}} : std::nullopt;
}

} // namespace vestibule::sevsim::attack
