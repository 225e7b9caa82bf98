// SPDX-License-Identifier: BSD-2-Clause-Patent
// igvmtool diff: where two IGVM files differ. Its exit status is that of diff(1), since that is
// what scripts expect of the name: 0 the same, 1 different, 2 trouble.
#include "igvm/show/diff.h"
#include "cli/json.h"
#include "igvm/image/own_file.h"
#include "igvm/show/describe.h"
#include "igvm/tool/manifest.h"
#include "igvm/tool/verbs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <algorithm>
#include <map>
#include <memory>

namespace vestibule::igvm {

namespace {
using cli::Json;

struct Arguments {
    std::string left;
    std::string right;
    std::string left_manifest;
    std::string right_manifest;
    bool json = false;
};

void print_text(const DiffResult& result, bool same_bytes) {
    for (const Difference& difference : result.differences) {
        std::string platforms;
        for (const PlatformType platform : difference.platforms) {
            platforms += fmt::format("{}{}", platforms.empty() ? "" : ", ", name_of(platform));
        }
        const auto side = [](const std::string& value) {
            return value.empty() ? std::string("(none)") : value;
        };
        fmt::print("{}{}{}{}{}: {} | {}\n", platforms, platforms.empty() ? "" : ": ",
                   difference.part, difference.part.empty() || difference.where.empty() ? "" : ", ",
                   difference.where, side(difference.left), side(difference.right));
    }
    if (result.unlisted != 0) {
        fmt::print("and {} more\n", result.unlisted);
    }
    if (result.same()) {
        fmt::print("{}\n",
                   same_bytes ? "the same bytes" : "the same content, laid out differently");
    }
}

void print_json(const Arguments& arguments, const DiffResult& result, bool same_bytes) {
    Json differences = Json::array();
    for (const Difference& difference : result.differences) {
        Json platforms = Json::array();
        for (const PlatformType platform : difference.platforms) {
            platforms.push_back(name_of(platform));
        }
        const auto side = [](const std::string& value) {
            return value.empty() ? Json(nullptr) : Json(value);
        };
        differences.push_back({
            {"kind",      difference.kind       },
            {"part",      side(difference.part) },
            {"platforms", platforms             },
            {"where",     side(difference.where)},
            {"left",      side(difference.left) },
            {"right",     side(difference.right)},
        });
    }
    Json object           = cli::json_output("diff");
    object["left"]        = arguments.left;
    object["right"]       = arguments.right;
    object["same"]        = result.same();
    object["same_bytes"]  = same_bytes;
    object["unlisted"]    = result.unlisted;
    object["differences"] = differences;
    fmt::print("{}", cli::json_text(object));
}

/// One of the two files, with what is known of its parts.
class Side {
  public:
    Side(const std::string& path, const std::string& manifest) : opened_(path) {
        if (!manifest.empty()) {
            manifest_ = Manifest::read(manifest);
        }
    }

    [[nodiscard]] const File& file() const { return opened_.file(); }

    [[nodiscard]] std::vector<NamedRange> names(PlatformType platform) const {
        return manifest_ ? manifest_->names(platform) : own_file(file(), platform).parts;
    }

    /// What went into the file, in words, by its name.
    [[nodiscard]] std::map<std::string, std::string> inputs() const {
        if (manifest_) {
            return manifest_->inputs();
        }
        std::map<std::string, std::string> found;
        for (const Header header : file().platforms()) {
            const auto own =
                own_file(file(), load<SupportedPlatform>(header.content).platform_type);
            if (own.record) {
                found["command line"] = fmt::format("\"{}\"", own.record->command_line);
            }
        }
        return found;
    }

  private:
    OpenFile opened_;
    std::optional<Manifest> manifest_;
};

/// What went in and is another one, first of all: where both sides know it.
void add_inputs(DiffResult& result, const Side& left, const Side& right) {
    const auto ours   = left.inputs();
    const auto theirs = right.inputs();
    std::vector<Difference> found;
    for (const auto& [part, value] : ours) {
        const auto other = theirs.find(part);
        if (other != theirs.end() && other->second != value) {
            found.push_back({.kind      = "part",
                             .platforms = {},
                             .where     = {},
                             .part      = part,
                             .left      = value,
                             .right     = other->second});
        }
    }
    result.differences.insert(result.differences.begin(), found.begin(), found.end());
}

void compare(const Arguments& arguments) {
    try {
        const Side left(arguments.left, arguments.left_manifest);
        const Side right(arguments.right, arguments.right_manifest);
        DiffResult result = diff(left.file(), right.file(), [&](PlatformType platform) {
            auto names = left.names(platform);
            std::ranges::move(right.names(platform), std::back_inserter(names));
            return names;
        });
        if (!result.same()) {
            add_inputs(result, left, right);
        }
        const bool same_bytes = std::ranges::equal(left.file().bytes(), right.file().bytes());
        if (arguments.json) {
            print_json(arguments, result, same_bytes);
        } else {
            print_text(result, same_bytes);
        }
        if (!result.same()) {
            throw Finished(1);
        }
    } catch (const Failure& failure) {
        fmt::print(stderr, "igvmtool: {}\n", failure.what());
        throw Finished(2);
    }
}
} // namespace

void add_diff(CLI::App& app) {
    auto arguments = std::make_shared<Arguments>();
    CLI::App* verb = app.add_subcommand(
        "diff", "Say where two IGVM files differ: headers, pages, registers by name");
    verb->add_option("left", arguments->left, "An IGVM file")
        ->required()
        ->type_name(cli::input_file);
    verb->add_option("right", arguments->right, "Another one")
        ->required()
        ->type_name(cli::input_file);
    verb->add_option(
            "--left-manifest", arguments->left_manifest,
            "What `igvmtool build --manifest` has said of it: names what went in, and where "
            "it lies; without it that is known of files with a payload of igvmtool's")
        ->type_name(cli::input_file);
    verb->add_option("--right-manifest", arguments->right_manifest, "The same of the other one")
        ->type_name(cli::input_file);
    verb->add_flag("--json", arguments->json, "One JSON object");
    verb->footer("Example:\n"
                 "  igvmtool diff guest.igvm guest.igvm\n"
                 "How a file lays out its data is no difference.\n"
                 "Exit status, as diff(1): 0 the same, 1 different, 2 trouble.");
    verb->callback([arguments] { compare(*arguments); });
}

} // namespace vestibule::igvm
