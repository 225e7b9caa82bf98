// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool show: what an IGVM file holds, in words, as JSON or as a picture.
#include "igvm/show/show.h"
#include "igvm/image/own_file.h"
#include "igvm/measure/igvm_launch.h"
#include "igvm/measure/launch_digest.h"
#include "igvm/tool/file_io.h"
#include "igvm/tool/verbs.h"

#include <fmt/format.h>

#include <memory>

namespace vestibule::igvm {

namespace {
struct Arguments {
    std::string file;
    std::string svg;
    bool json = false;
};

/// In lines that a column has room for.
void add_lines(std::vector<std::string>& lines, std::string_view text) {
    constexpr u64 room = 54;
    for (; text.size() > room; text.remove_prefix(room)) {
        lines.emplace_back(text.substr(0, room));
    }
    lines.emplace_back(text);
}

/// The launch digest, by the file alone, and the command line, where there are any.
std::vector<std::string> lines_for(const File& file, PlatformType platform) {
    std::vector<std::string> lines;
    if (is_measured(platform)) {
        LaunchOptions options;
        options.platform  = platform;
        const auto launch = launch_of(file, options);
        add_lines(lines, launch ? "digest " + to_hex(measure(*launch, all_threads()))
                                : "no digest: " + launch.error());
    }
    if (const auto own = own_file(file, platform).record; own && !own->command_line.empty()) {
        constexpr u64 enough = 150;
        add_lines(lines, fmt::format("command line \"{}\"", own->command_line.substr(0, enough)));
    }
    return lines;
}

void show(const Arguments& arguments) {
    if (arguments.json && arguments.svg == "-") {
        throw CLI::ValidationError("--svg", "found -, where --json goes to standard output");
    }
    const OpenFile opened(arguments.file);
    if (!arguments.svg.empty()) {
        const File& file          = opened.file();
        const std::string picture = show_svg(
            file, arguments.file,
            {.names = [&](PlatformType platform) { return own_file(file, platform).parts; },
             .lines = [&](PlatformType platform) { return lines_for(file, platform); }});
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
        const auto* bytes = reinterpret_cast<const u8*>(picture.data());
        if (const auto written = write_file(arguments.svg, {bytes, picture.size()}); !written) {
            throw Failure(written.error());
        }
    }
    if (arguments.json) {
        show_json(opened.file(), arguments.file, print_out);
    } else if (arguments.svg.empty()) {
        show_text(opened.file(), print_out);
    }
}
} // namespace

void add_show(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb = app.add_subcommand("show", "Say what an IGVM file holds");
    verb->add_option("file", arguments->file, "An IGVM file")
        ->required()
        ->type_name(cli::input_file);
    verb->add_flag("--json", arguments->json,
                   "One JSON object; addresses, flags and registers are strings");
    verb->add_option("--svg", arguments->svg,
                     "Draw guest memory into this file: what lies where, measured or not")
        ->type_name(cli::output_or_stdout);
    verb->footer("Examples:\n"
                 "  igvmtool show guest.igvm\n"
                 "  igvmtool show guest.igvm --json\n"
                 "  igvmtool show guest.igvm --svg guest.svg");
    verb->callback([arguments] { show(*arguments); });
}

} // namespace vestibule::igvm
