// SPDX-License-Identifier: BSD-2-Clause-Patent
// See manifest.h. Somebody may have written it: nothing is taken that is not of its type.
#include "igvm/tool/manifest.h"

#include "igvm/format/number.h"
#include "igvm/show/describe.h"
#include "igvm/tool/verbs.h"

#include <fmt/format.h>

namespace vestibule::igvm {

namespace {
using cli::Json;

std::string text_at(const Json& object, const char* name) {
    const auto found = object.find(name);
    return found != object.end() && found->is_string() ? found->get<std::string>() : std::string();
}

u64 number_at(const Json& object, const char* name) {
    const auto found = object.find(name);
    if (found == object.end()) {
        return 0;
    }
    if (found->is_string()) {
        return number_of(found->get<std::string>()).value_or(0);
    }
    return found->is_number_unsigned() ? found->get<u64>() : 0;
}
} // namespace

Manifest Manifest::read(const std::string& path) {
    const auto bytes = read_file(path);
    if (!bytes) {
        throw Failure(bytes.error());
    }
    Json object = Json::parse(bytes->begin(), bytes->end(), nullptr, false);
    if (!object.is_object() || text_at(object, "schema") != "vestibule.manifest/1") {
        throw Failure(
            fmt::format("{}: found no \"schema\": \"vestibule.manifest/1\", expected what "
                        "`igvmtool build --manifest` writes",
                        path));
    }
    return Manifest(std::move(object));
}

std::vector<NamedRange> Manifest::names(PlatformType platform) const {
    std::vector<NamedRange> names;
    const Json layout = object_.value("layout", Json::object());
    for (const Json& part : layout.is_object() ? layout.value("parts", Json::array()) : Json()) {
        if (!part.is_object()) {
            continue;
        }
        const std::string only = text_at(part, "platform");
        if (only.empty() || only == name_of(platform)) {
            const u64 size = number_at(part, "size");
            names.push_back({.gpa  = number_at(part, "gpa"),
                             .size = (size + page_size - 1) & ~(page_size - 1),
                             .name = text_at(part, "part")});
        }
    }
    return names;
}

std::map<std::string, std::string> Manifest::inputs() const {
    std::map<std::string, std::string> found;
    for (const char* name : {"stub", "payload", "initrd"}) {
        const auto input = object_.find(name);
        if (input != object_.end() && input->is_object()) {
            found[name] = fmt::format("{} bytes, SHA-256 {}", number_at(*input, "size"),
                                      text_at(*input, "sha256"));
        }
    }
    if (object_.contains("command_line")) {
        found["command line"] = fmt::format("\"{}\"", text_at(object_, "command_line"));
    }
    const auto options = object_.find("options");
    if (options != object_.end() && options->is_object()) {
        for (const auto& [name, value] : options->items()) {
            found["option " + name] = value.dump();
        }
    }
    return found;
}

} // namespace vestibule::igvm
