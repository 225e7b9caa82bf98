// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which of a command line's files are read and which are written, by the type that --help shows of
// an option; and that no output is an input, nor another output: a key that is written over is
// gone, and so would be the exit status that says so. Links count as what they lead to.
#pragma once

#include <CLI/CLI.hpp>

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::cli {

/// Types of options, by their ->type_name().
inline constexpr const char* input_file       = "FILE";
inline constexpr const char* input_directory  = "DIR";
inline constexpr const char* output_file      = "OUT";
inline constexpr const char* output_or_stdout = "OUT|-";     // "-" is standard output
inline constexpr const char* output_or_stdio  = "stdio|OUT"; // "stdio" is no file

struct FileUse {
    enum class Role : unsigned char { read, directory, written, written_or_stdout };

    std::string option;
    std::string path;
    Role role;
};

/// What is wrong with using these files together, in words; nothing where all is well.
std::optional<std::string> wrong_files(std::span<const FileUse> uses);

/// An output that may replace an input: written beside it and renamed.
struct InPlace {
    std::string_view input;
    std::string_view output;
};

/// The files of a command line that has been parsed.
std::vector<FileUse> files_of(const CLI::App& app, const InPlace& in_place = {});

/// CLI::ValidationError where they are wrong, before one is opened. `more` are files that no option
/// names as they are.
void check_files(const CLI::App& app, const InPlace& in_place = {},
                 std::span<const FileUse> more = {});

} // namespace vestibule::cli
