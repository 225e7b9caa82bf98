// SPDX-License-Identifier: BSD-2-Clause-Patent
// See wrong_use.h.
#include "cli/wrong_use.h"

#include "cli/option_values.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>

namespace vestibule::cli {

namespace {
using Words = std::vector<std::string>;

/// Letters to change, insert or leave out (Levenshtein).
unsigned distance(std::string_view one, std::string_view other) {
    std::vector<unsigned> row(other.size() + 1);
    for (std::size_t j = 0; j < row.size(); ++j) {
        row[j] = static_cast<unsigned>(j);
    }
    for (std::size_t i = 1; i <= one.size(); ++i) {
        unsigned diagonal = row[0];
        row[0]            = static_cast<unsigned>(i);
        for (std::size_t j = 1; j <= other.size(); ++j) {
            const unsigned changed = diagonal + (one[i - 1] == other[j - 1] ? 0 : 1);
            diagonal               = row[j];
            row[j]                 = std::min({row[j] + 1, row[j - 1] + 1, changed});
        }
    }
    return row.back();
}

Words verb_names(const CLI::App& app) {
    Words names;
    for (const CLI::App* verb : verbs_of(app)) {
        names.push_back(verb->get_name());
    }
    return names;
}

Words options_of(const CLI::App& verb) {
    Words names;
    for (const CLI::Option* option : verb.get_options()) {
        for (const std::string& name : option->get_lnames()) {
            names.push_back("--" + name);
        }
    }
    return names;
}

std::string unknown(std::string_view what, const std::string& word, const Words& known) {
    const std::string near = nearest(word, known);
    return near.empty() ? fmt::format("unknown {} {}", what, word)
                        : fmt::format("unknown {} {}; the nearest is {}", what, word, near);
}

std::string joined(const Words& words) {
    std::string text;
    for (const std::string& word : words) {
        text += (text.empty() ? "" : ", ") + word;
    }
    return text;
}

/// What was left over tells more than that something is missing.
std::string words_of(const CLI::App& app, const CLI::App& verb, const CLI::ParseError& error) {
    const bool is_verb = &verb != &app;
    for (const std::string& left : verb.remaining(true)) {
        if (left.starts_with("-") && left.size() > 1) {
            return unknown("option", left.substr(0, left.find('=')), options_of(verb));
        }
        if (!is_verb && app.get_require_subcommand_min() > 0 && app.get_subcommands().empty()) {
            return unknown("verb", left, verb_names(app));
        }
        return fmt::format("unexpected argument {}", left);
    }
    if (!is_verb && dynamic_cast<const CLI::RequiredError*>(&error) != nullptr
        && app.get_require_subcommand_min() > 0 && app.get_subcommands().empty()) {
        return fmt::format("expected a verb: {}", joined(verb_names(app)));
    }
    return error.what();
}
} // namespace

std::string nearest(std::string_view word, const Words& known) {
    const auto at               = [&](const std::string& other) { return distance(word, other); };
    const auto best             = std::ranges::min_element(known, {}, at);
    constexpr std::size_t share = 3; // of its letters may be others
    return best != known.end() && at(*best) <= std::max<std::size_t>(2, word.size() / share)
               ? *best
               : std::string();
}

int wrong_use(const CLI::App& verb, std::string_view what) {
    constexpr int status   = 2;
    const std::string name = full_name(verb);
    fmt::print(stderr, "{}: {}\nTry: {} --help\n", name.substr(0, name.find(' ')), what, name);
    return status;
}

int answer(const CLI::App& app, const CLI::ParseError& error) {
    if (error.get_exit_code() == static_cast<int>(CLI::ExitCodes::Success)) {
        return app.exit(error);
    }
    const CLI::App* verb = &app;
    while (!verb->get_subcommands().empty()) {
        verb = verb->get_subcommands().back();
    }
    return wrong_use(*verb, words_of(app, *verb, error));
}

} // namespace vestibule::cli
