// igvmtool diff: where two IGVM files differ. Its exit status is that of diff(1), since that is
// what scripts expect of the name: 0 the same, 1 different, 2 trouble.
#include "igvm/show/diff.h"
#include "igvm/show/describe.h"
#include "igvm/tool/verbs.h"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <memory>

namespace vestibule::igvm {

namespace {
using Json = nlohmann::ordered_json;

struct Arguments {
    std::string left;
    std::string right;
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
        fmt::print("{}{}{}: {} | {}\n", platforms, platforms.empty() ? "" : ": ", difference.where,
                   side(difference.left), side(difference.right));
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
            {"platforms", platforms             },
            {"where",     difference.where      },
            {"left",      side(difference.left) },
            {"right",     side(difference.right)},
        });
    }
    const Json object{
        {"left",        arguments.left },
        {"right",       arguments.right},
        {"same",        result.same()  },
        {"same_bytes",  same_bytes     },
        {"unlisted",    result.unlisted},
        {"differences", differences    },
    };
    fmt::print("{}\n", object.dump(2, ' ', false, Json::error_handler_t::replace));
}

void compare(const Arguments& arguments) {
    try {
        const OpenFile left(arguments.left);
        const OpenFile right(arguments.right);
        const DiffResult result = diff(left.file(), right.file());
        const bool same_bytes   = std::ranges::equal(left.file().bytes(), right.file().bytes());
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
    verb->add_flag("--json", arguments->json, "One JSON object");
    verb->footer("Example:\n"
                 "  igvmtool diff guest.igvm guest.igvm\n"
                 "How a file lays out its data is no difference.\n"
                 "Exit status, as diff(1): 0 the same, 1 different, 2 trouble.");
    verb->callback([arguments] { compare(*arguments); });
}

} // namespace vestibule::igvm
