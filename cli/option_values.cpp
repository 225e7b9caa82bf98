// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "cli/option_values.h"

#include "cli/files.h"

namespace vestibule::cli {

OptionValues values_of(const CLI::Option& option) {
    if (option.get_items_expected_max() == 0) {
        return {};
    }
    // "NAME:{native,sev}": CLI11 puts what the value is checked against behind the type's name.
    const std::string type = option.get_type_name();
    const auto from        = type.find('{');
    const auto to          = type.find('}');
    if (from != std::string::npos && to != std::string::npos && from < to) {
        return {OptionValues::Kind::words,
                CLI::detail::split(type.substr(from + 1, to - from - 1), ',')};
    }
    constexpr const char* path      = "PATH";
    constexpr const char* directory = "DIR";
    for (const char* name : {input_file, output_file, path, directory}) {
        if (type.starts_with(name)) {
            return {OptionValues::Kind::files, {}};
        }
    }
    return {OptionValues::Kind::unknown, {}};
}

std::vector<std::string> names_of(const CLI::Option& option) {
    std::vector<std::string> names;
    for (const std::string& name : option.get_snames()) {
        names.push_back("-" + name);
    }
    for (const std::string& name : option.get_lnames()) {
        names.push_back("--" + name);
    }
    return names;
}

std::vector<const CLI::App*> verbs_of(const CLI::App& app) {
    std::vector<const CLI::App*> verbs;
    for (const CLI::App* verb : app.get_subcommands([](const CLI::App*) { return true; })) {
        if (!verb->get_name().empty()) {
            verbs.push_back(verb);
        }
    }
    return verbs;
}

std::string full_name(const CLI::App& app, const char* between) {
    return app.get_parent() == nullptr
               ? app.get_name()
               : full_name(*app.get_parent(), between) + between + app.get_name();
}

} // namespace vestibule::cli
