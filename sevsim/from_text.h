// SPDX-License-Identifier: BSD-2-Clause-Patent
// `--from` as it is typed.
#pragma once

#include "sevsim/from.h"

#include <fmt/format.h>

#include <expected>
#include <string>

namespace vestibule::sevsim {

inline constexpr const char* from_forms = "N|BEGIN-END";

/// In words what is wrong with it.
inline std::expected<From, std::string> from_of(const std::string& text) {
    From from;
    if (!read_from(text.data(), text.size(), from)) {
        return std::unexpected(
            fmt::format("'{}': expected a number from 1 on, or addresses BEGIN-END", text));
    }
    return from;
}

inline std::string text_of(const From& from) {
    return from.vmgexit != 0 ? fmt::format("{}", from.vmgexit)
                             : fmt::format("{:#x}-{:#x}", from.code.begin, from.code.end);
}

} // namespace vestibule::sevsim
