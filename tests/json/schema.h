// SPDX-License-Identifier: BSD-2-Clause-Patent
// JSON Schema (draft 2020-12) as far as docs/schemas goes, and strictly: a keyword that is not
// known here is refused, so that none stands in a schema without being held.
#pragma once

#include <nlohmann/json.hpp>

#include <optional>
#include <string>

namespace vestibule::json {

using Json = nlohmann::ordered_json;

/// What of `value` is not as the schema has it, with the place; nothing where all is.
/// std::logic_error where the schema itself is wrong.
std::optional<std::string> mismatch(const Json& schema, const Json& value);

/// Whether a keyword is known here.
bool is_keyword(const std::string& name);

/// By the member "schema" of an output, the schema in a directory; throws where there is none.
Json schema_of(const std::string& directory, const Json& output);

/// The same of a whole text: one object, or lines of which the first has the member.
std::optional<std::string> output_mismatch(const std::string& directory, const std::string& text);

} // namespace vestibule::json
