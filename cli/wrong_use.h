// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a program says of a command line that it does not understand: by its name and the verb's,
// what is not known and which known word is nearest, and where to read on. Exit status 2.
#pragma once

#include <CLI/CLI.hpp>

#include <string>
#include <string_view>
#include <vector>

namespace vestibule::cli {

/// Prints --help or --version, status 0, or what is wrong, status 2.
int answer(const CLI::App& app, const CLI::ParseError& error);

/// The same of what is found wrong behind the parsing; `verb` may be the program itself.
int wrong_use(const CLI::App& verb, std::string_view what);

/// The word that was most likely meant; empty where none is near.
std::string nearest(std::string_view word, const std::vector<std::string>& known);

} // namespace vestibule::cli
