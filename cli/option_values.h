// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a shell can offer for an option's value.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <vector>

namespace vestibule::cli {

struct OptionValues {
    enum class Kind { none, words, files, unknown };
    Kind kind = Kind::none; ///< none: a flag
    std::vector<std::string> words;
};

OptionValues values_of(const CLI::Option& option);

/// The option's names with their dashes, --help's among them; empty for a positional argument.
std::vector<std::string> names_of(const CLI::Option& option);

std::vector<const CLI::App*> verbs_of(const CLI::App& app);

/// "igvmtool build", with what is between the words.
std::string full_name(const CLI::App& app, const char* between = " ");

} // namespace vestibule::cli
