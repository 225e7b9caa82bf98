// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool: the program around the verbs. Exit status 0 done, 1 the work failed, 2 wrong use.
#include "cli/pages.h"
#include "cli/wrong_use.h"
#include "igvm/show/describe.h"
#include "igvm/tool/progress.h"
#include "igvm/tool/verbs.h"
#include "version.h"

#include <fmt/format.h>

#include <algorithm>
#include <cstdio>
#include <string_view>

namespace vestibule::igvm {

static MappedFile map_or_fail(const std::string& path) {
    auto mapped = MappedFile::open(path);
    if (!mapped) {
        throw Failure(mapped.error());
    }
    return std::move(*mapped);
}

static File parse_or_fail(const std::string& path, std::span<const u8> bytes) {
    const auto file = parse(bytes, OptionalHeaders::kept);
    if (!file) {
        throw Failure(fmt::format("{}: {}", path, describe(file.error())));
    }
    return *file;
}

OpenFile::OpenFile(const std::string& path)
    : bytes_(map_or_fail(path)), file_(parse_or_fail(path, bytes_.bytes())) {}

void print_out(std::string_view text) { std::fwrite(text.data(), 1, text.size(), stdout); }

/// Of these the exit status, or a file, says what came out. Of the others the answer is all there
/// is.
constexpr std::string_view silent_verbs[] = {"build",  "check", "convert", "diff",   "report",
                                             "secret", "sign",  "verify",  "session"};

static void add_quiet(CLI::App& verb) {
    const bool silent = std::ranges::count(silent_verbs, verb.get_name()) != 0;
    verb.add_flag_callback(
        cli::words::quiet,
        [silent] {
            Progress::silence();
            // What an option writes to standard output (write_file) goes by its descriptor.
            if (std::FILE* const nowhere = silent ? std::fopen("/dev/null", "we") : nullptr) {
                stdout = nowhere; // a variable, as glibc has it
            }
        },
        silent ? "Say nothing: the exit status, and what is written, are enough"
               : "Show no progress on a terminal");
}

} // namespace vestibule::igvm

static int run(int argc, char** argv) {
    namespace cli = vestibule::cli;
    CLI::App app("Build, show, compare, check, measure and sign IGVM files of confidential guests.",
                 "igvmtool");
    app.set_version_flag("--version", fmt::format("igvmtool {}", vestibule::version_with_commit));
    app.require_subcommand(1);
    std::string examples = "Examples:\n";
    for (const auto& verb : vestibule::igvm::verbs) {
        examples += fmt::format("  {}\n", verb.example);
        verb.add(app);
    }
    for (CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
        vestibule::igvm::add_quiet(*verb);
        // Before a verb opens anything.
        verb->parse_complete_callback([verb] {
            // A signed file is the same file; what convert writes is another.
            const bool in_place = verb->get_name() == "sign";
            cli::check_files(*verb, in_place ? cli::InPlace{.input = "file", .output = "--out"}
                                             : cli::InPlace{});
        });
    }
    app.footer(examples + "Exit status: 0 done, 1 the work failed, 2 wrong use.");
    cli::add_pages(app);
    try {
        app.parse(argc, argv);
    } catch (const CLI::ParseError& error) { // --help and --version too
        return cli::answer(app, error);
    } catch (const vestibule::igvm::Failure& failure) {
        fmt::print(stderr, "igvmtool: {}\n", failure.what());
        return 1;
    } catch (const vestibule::igvm::Finished& finished) {
        return finished.status;
    }
    return 0;
}

int main(int argc, char** argv) {
    try {
        const int status = run(argc, argv);
        // Output that did not arrive, on a full disk for one, is work that failed.
        if (std::fflush(stdout) == 0) {
            return status;
        }
        std::perror("igvmtool: standard output");
    } catch (const std::exception& error) {
        fmt::print(stderr, "igvmtool: {}\n", error.what());
    }
    return 1;
}
