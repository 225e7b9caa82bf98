// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/plan_file.h"

#include "igvm/tool/file_io.h"
#include "sevsim/qemu_command.h"
#include "sevsim/report.h"

#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

std::string line_of(std::string_view text, std::size_t number) {
    std::size_t begin = 0;
    while (--number != 0) {
        begin = text.find('\n', begin) + 1;
    }
    return printable(text.substr(begin, std::min(text.find('\n', begin), text.size()) - begin));
}

struct Parsed {
    std::vector<Plan> plans;
    std::size_t separators = 0;
};

std::expected<Parsed, std::string> parse(std::string_view text) {
    Parsed parsed;
    PlanReader reader{text.data(), text.size()};
    for (Plan plan; reader.next(plan);) {
        parsed.plans.push_back(plan);
    }
    if (reader.wrong() != nullptr) {
        return std::unexpected(fmt::format("{}: '{}': {}", reader.line(),
                                           line_of(text, reader.line()), reader.wrong()));
    }
    parsed.separators = reader.separators();
    return parsed;
}

std::expected<Parsed, std::string> parse_file(const std::string& path) {
    const auto bytes = igvm::read_file(path);
    if (!bytes) {
        return std::unexpected(bytes.error());
    }
    auto parsed = parse({reinterpret_cast<const char*>(bytes->data()), bytes->size()});
    if (!parsed) {
        return std::unexpected(fmt::format("{}:{}", path, parsed.error()));
    }
    return parsed;
}

} // namespace

std::expected<std::vector<Plan>, std::string> parse_plans(std::string_view text) {
    auto parsed = parse(text);
    if (!parsed) {
        return std::unexpected(parsed.error());
    }
    return std::move(parsed->plans);
}

std::expected<std::vector<Plan>, std::string> read_plans(const std::string& path) {
    auto parsed = parse_file(path);
    if (!parsed) {
        return std::unexpected(parsed.error());
    }
    if (parsed->plans.empty()) {
        return std::unexpected(path + ": no plan");
    }
    return std::move(parsed->plans);
}

std::expected<Plan, std::string> read_plan(const std::string& path) {
    const auto parsed = parse_file(path);
    if (!parsed) {
        return std::unexpected(parsed.error());
    }
    if (parsed->separators != 0) {
        return std::unexpected(path + ": more plans than one, which --plans takes");
    }
    return parsed->plans.empty() ? Plan{} : parsed->plans.front();
}

std::string plan_text(const Plan& plan) {
    std::string text;
    for (const Hostility& lie : plan) {
        text += hostility(lie) + "\n";
    }
    return text + "---\n";
}

} // namespace vestibule::sevsim
