// SPDX-License-Identifier: BSD-2-Clause-Patent
// See files.h.
#include "cli/files.h"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include <sys/stat.h>

namespace vestibule::cli {

namespace {
namespace fs = std::filesystem;
using Role   = FileUse::Role;

bool is_written(const FileUse& use) {
    return use.role == Role::written || use.role == Role::written_or_stdout;
}

/// What a path leads to: through links, also to where there is no file yet.
fs::path target_of(fs::path path) {
    constexpr unsigned most_links = 40; // as the kernel follows
    std::error_code error;
    path = fs::absolute(path, error);
    for (unsigned links = 0; links < most_links && fs::is_symlink(path, error); ++links) {
        const fs::path to = fs::read_symlink(path, error);
        path              = to.is_absolute() ? to : path.parent_path() / to;
    }
    const fs::path whole = fs::weakly_canonical(path, error);
    return error ? path : whole;
}

/// Of what is there, by device and inode: hard links are one file. Devices and pipes may be used
/// twice.
bool is_same_file(const std::string& one, const std::string& other) {
    struct stat first{};
    struct stat second{};
    const bool first_is  = stat(one.c_str(), &first) == 0;
    const bool second_is = stat(other.c_str(), &second) == 0;
    if (first_is && second_is) {
        return S_ISREG(first.st_mode) && first.st_dev == second.st_dev
               && first.st_ino == second.st_ino;
    }
    return !first_is && !second_is && target_of(one) == target_of(other);
}

/// A directory's keys and certificates are read, whatever else is in it.
bool is_key_of(const std::string& path, const std::string& directory) {
    const fs::path target = target_of(path);
    const std::string end = target.extension();
    std::error_code error;
    return (end == ".pem" || end == ".key") && fs::exists(target, error)
           && fs::equivalent(target.parent_path(), directory, error);
}

std::string said(const FileUse& use) {
    return use.option.starts_with("-") ? fmt::format("{} {}", use.option, use.path) : use.path;
}
} // namespace

std::optional<std::string> wrong_files(std::span<const FileUse> uses) {
    const FileUse* from_stdin = nullptr;
    for (const FileUse& use : uses) {
        if (use.path == "-" && use.role == Role::written) {
            return fmt::format("{}: found -, expected the name of a file", use.option);
        }
        if (use.path == "-" && use.role == Role::read) {
            if (from_stdin != nullptr) {
                return fmt::format("{}: found -, which {} reads already", use.option,
                                   from_stdin->option);
            }
            from_stdin = &use;
        }
    }
    for (const FileUse& output : uses) {
        if (!is_written(output) || output.path == "-") {
            continue;
        }
        for (const FileUse& other : uses) {
            if (&other == &output || other.path == "-") {
                continue;
            }
            if (other.role == Role::directory ? is_key_of(output.path, other.path)
                                              : is_same_file(output.path, other.path)) {
                return fmt::format("{}: is the same file as {}, which is {}: expected another one",
                                   said(output), said(other),
                                   is_written(other) ? "written too" : "read");
            }
        }
    }
    return std::nullopt;
}

std::vector<FileUse> files_of(const CLI::App& app, const InPlace& in_place) {
    struct Type {
        std::string_view name;
        Role role;
    };

    constexpr Type types[] = {
        {.name = input_file,       .role = Role::read             },
        {.name = input_directory,  .role = Role::directory        },
        {.name = output_file,      .role = Role::written          },
        {.name = output_or_stdout, .role = Role::written_or_stdout},
        {.name = output_or_stdio,  .role = Role::written          },
    };
    std::vector<FileUse> uses;
    bool replaces = false;
    for (const CLI::Option* option : app.get_options()) {
        const std::string type = option->get_type_name();
        const auto* row        = std::ranges::find(types, type, &Type::name);
        if (row == std::end(types)) {
            continue;
        }
        for (const std::string& path : option->results()) {
            if (!path.empty() && (type != output_or_stdio || path != "stdio")) {
                uses.push_back({.option = option->get_name(), .path = path, .role = row->role});
            }
        }
    }
    // The one output that may be this input is looked at beside all others.
    const auto output = std::ranges::find(uses, in_place.output, &FileUse::option);
    const auto input  = std::ranges::find(uses, in_place.input, &FileUse::option);
    replaces =
        output != uses.end() && input != uses.end() && is_same_file(output->path, input->path);
    if (replaces) {
        uses.erase(input);
    }
    return uses;
}

void check_files(const CLI::App& app, const InPlace& in_place, std::span<const FileUse> more) {
    std::vector<FileUse> uses = files_of(app, in_place);
    std::ranges::copy(more, std::back_inserter(uses));
    if (const auto wrong = wrong_files(uses)) {
        throw CLI::ValidationError(*wrong);
    }
}

} // namespace vestibule::cli
