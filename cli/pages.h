// SPDX-License-Identifier: BSD-2-Clause-Patent
// Man pages and shell completions, out of the same descriptions as --help: `--man` and
// `--completion bash|zsh` print them, and the build puts them where a shell and man look for them.
#pragma once

#include <CLI/CLI.hpp>

#include <string>

namespace vestibule::cli {

/// Gives the program --man and --completion, and each verb --man. Last of all: what is described
/// afterwards is not in the pages.
void add_pages(CLI::App& app);

/// The page of a program or a verb in section 1, as groff's man macros have it.
std::string man_page(const CLI::App& app);

/// What completes the program's verbs, options and their values in bash or zsh.
std::string bash_completion(const CLI::App& app);
std::string zsh_completion(const CLI::App& app);

} // namespace vestibule::cli
