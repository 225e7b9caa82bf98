// SPDX-License-Identifier: BSD-2-Clause-Patent
// Options that take numbers and sizes, by the one strict reader (igvm/format/number.h): CLI11's own
// conversions take signs, octal digits and what does not fit.
#pragma once

#include "igvm/format/number.h"

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include <limits>
#include <optional>

namespace vestibule::cli {

using igvm::NumberRange;

namespace detail {
template <class T>
struct Plain {
    using type = T;
};

template <class T>
struct Plain<std::optional<T>> {
    using type = T;
};

template <class T, class Read>
CLI::Option* add(CLI::App& app, const std::string& names, T& into, const std::string& text,
                 NumberRange range, Read read) {
    using Number = typename Plain<T>::type;
    range.most   = std::min<u64>(range.most, std::numeric_limits<Number>::max());
    // The name as --help has it first: what a message begins with.
    const std::string name         = names.substr(0, names.find(','));
    const CLI::callback_t callback = [&into, name, range, read](const CLI::results_t& values) {
        const auto number = read(values.front(), range);
        if (!number) {
            throw CLI::ValidationError(name, number.error());
        }
        into = static_cast<Number>(*number);
        return true;
    };
    return app.add_option(names, callback, text)->type_name("TEXT")->expected(1);
}
} // namespace detail

/// No more than the target holds, whatever the range.
template <class T>
CLI::Option* add_number(CLI::App& app, const std::string& names, T& into, const std::string& text,
                        NumberRange range = {}) {
    auto* option =
        detail::add(app, names, into, text, range, [](std::string_view value, NumberRange within) {
            return igvm::number_of(value, within);
        })->type_name("N");
    if constexpr (requires { into.has_value(); }) {
        return option;
    } else {
        return option->default_str(fmt::format("{}", into));
    }
}

template <class T>
CLI::Option* add_size(CLI::App& app, const std::string& names, T& into, const std::string& text,
                      NumberRange range = {}) {
    auto* option =
        detail::add(app, names, into, text, range, [](std::string_view value, NumberRange within) {
            return igvm::byte_count_of(value, within);
        })->type_name("SIZE");
    if constexpr (requires { into.has_value(); }) {
        return option;
    } else {
        return option->default_str(igvm::byte_count_in_words(into));
    }
}

} // namespace vestibule::cli
