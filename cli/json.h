// SPDX-License-Identifier: BSD-2-Clause-Patent
// JSON outputs of the three programs: each is an object that says by its first member, "schema",
// which it is. What it holds is a file of docs/schemas, which is installed, and a section of
// docs/json.md; the tests hold every output that they see against it.
#pragma once

#include <nlohmann/json.hpp>

#include <string>
#include <string_view>

namespace vestibule::cli {

/// Members stand as they were put.
using Json = nlohmann::ordered_json;

/// The beginning of an output, docs/schemas/NAME-1.json. The number changes where a member goes, or
/// means something else; a member more is no change.
inline Json json_output(std::string_view name) {
    Json object      = Json::object();
    object["schema"] = "vestibule." + std::string(name) + "/1";
    return object;
}

/// As it is printed. A file's name may be no UTF-8.
inline std::string json_text(const Json& object) {
    return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

/// One of a file of many, a line each.
inline std::string json_line(const Json& object) {
    return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

} // namespace vestibule::cli
