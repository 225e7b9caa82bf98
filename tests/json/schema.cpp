// SPDX-License-Identifier: BSD-2-Clause-Patent
// See schema.h.
#include "tests/json/schema.h"

#include "tests/json/perfetto.h"

#include <algorithm>
#include <fstream>
#include <map>
#include <regex>
#include <sstream>
#include <stdexcept>

namespace vestibule::json {

namespace {

/// Where in the output, "/findings/3/rule".
using Place = std::string;
using Found = std::optional<std::string>;

class Check {
  public:
    explicit Check(const Json& root) : root_(root) {}

    Found run(const Json& schema, const Json& value, const Place& at) const {
        for (const auto& [keyword, own] : schema.items()) {
            const auto found = keywords.find(keyword);
            if (found == keywords.end()) {
                throw std::logic_error("unknown keyword " + keyword + " at " + at);
            }
            if (found->second != nullptr) {
                if (Found wrong = (this->*found->second)(own, schema, value, at)) {
                    return wrong;
                }
            }
        }
        return std::nullopt;
    }

    static bool knows(const std::string& name) { return keywords.contains(name); }

  private:
    using Keyword = Found (Check::*)(const Json& own, const Json& schema, const Json& value,
                                     const Place& at) const;

    static Found wrong(const Place& at, const std::string& expected, const Json& value) {
        const std::string shown = value.dump(-1, ' ', false, Json::error_handler_t::replace);
        return (at.empty() ? "/" : at) + ": found " + shown.substr(0, 120) + ", expected "
               + expected;
    }

    static bool is_of(const std::string& type, const Json& value) {
        const std::map<std::string, bool> is = {
            {"object",  value.is_object()        },
            {"array",   value.is_array()         },
            {"string",  value.is_string()        },
            {"integer", value.is_number_integer()},
            {"number",  value.is_number()        },
            {"boolean", value.is_boolean()       },
            {"null",    value.is_null()          },
        };
        return is.at(type);
    }

    Found type(const Json& own, const Json&, const Json& value, const Place& at) const {
        const Json types = own.is_array() ? own : Json::array({own});
        const bool fits  = std::ranges::any_of(
            types, [&](const Json& each) { return is_of(each.get<std::string>(), value); });
        return fits ? std::nullopt : wrong(at, "type " + own.dump(), value);
    }

    Found reference(const Json& own, const Json&, const Json& value, const Place& at) const {
        return run(referred(own), value, at);
    }

    [[nodiscard]] const Json& referred(const Json& own) const {
        const auto name = own.get<std::string>();
        if (!name.starts_with("#/")) {
            throw std::logic_error("$ref " + name + ": expected one of this schema");
        }
        return root_.at(Json::json_pointer(name.substr(1)));
    }

    Found constant(const Json& own, const Json&, const Json& value, const Place& at) const {
        return own == value ? std::nullopt : wrong(at, own.dump(), value);
    }

    Found enumeration(const Json& own, const Json&, const Json& value, const Place& at) const {
        return std::ranges::find(own, value) != own.end()
                   ? std::nullopt
                   : wrong(at, "one of " + own.dump(), value);
    }

    Found pattern(const Json& own, const Json&, const Json& value, const Place& at) const {
        // std::regex goes as deep as its input is long; what is long is digits of one kind.
        constexpr std::size_t longest = 2048;
        if (!value.is_string()) {
            return std::nullopt;
        }
        static std::map<std::string, std::regex> known; // traces have many lines
        const auto text     = own.get<std::string>();
        const auto expected = known.try_emplace(text, text).first;
        return std::regex_search(value.get<std::string>().substr(0, longest), expected->second)
                   ? std::nullopt
                   : wrong(at, "a string like " + text, value);
    }

    Found minimum(const Json& own, const Json&, const Json& value, const Place& at) const {
        return !value.is_number() || value >= own ? std::nullopt
                                                  : wrong(at, "at least " + own.dump(), value);
    }

    Found required(const Json& own, const Json&, const Json& value, const Place& at) const {
        for (const Json& name : own) {
            if (value.is_object() && !value.contains(name.get<std::string>())) {
                return wrong(at, "the member " + name.dump(), value);
            }
        }
        return std::nullopt;
    }

    Found properties(const Json& own, const Json&, const Json& value, const Place& at) const {
        for (const auto& [name, schema] : own.items()) {
            if (value.is_object() && value.contains(name)) {
                if (Found found = run(schema, value.at(name), at + "/" + name)) {
                    return found;
                }
            }
        }
        return std::nullopt;
    }

    Found others(const Json& own, const Json& schema, const Json& value, const Place& at) const {
        if (!value.is_object()) {
            return std::nullopt;
        }
        for (const auto& [name, member] : value.items()) {
            if (schema.contains("properties") && schema.at("properties").contains(name)) {
                continue;
            }
            if (own == false) {
                return wrong(at + "/" + name, "no such member", member);
            }
            if (Found found = run(own, member, at + "/" + name)) {
                return found;
            }
        }
        return std::nullopt;
    }

    Found items(const Json& own, const Json&, const Json& value, const Place& at) const {
        for (std::size_t n = 0; value.is_array() && n < value.size(); ++n) {
            if (Found found = run(own, value[n], at + "/" + std::to_string(n))) {
                return found;
            }
        }
        return std::nullopt;
    }

    Found one_of(const Json& own, const Json&, const Json& value, const Place& at) const {
        // Lines say which they are: the others need no looking at.
        for (const Json& each : own) {
            const Json& schema = each.contains("$ref") ? referred(each.at("$ref")) : each;
            const Json::json_pointer which("/properties/record/const");
            if (value.is_object() && value.contains("record") && schema.contains(which)
                && schema.at(which) == value.at("record")) {
                return run(schema, value, at);
            }
        }
        unsigned fitting = 0;
        std::string all;
        for (const Json& schema : own) {
            const Found found = run(schema, value, at);
            fitting += found ? 0 : 1;
            all += found ? "\n  " + *found : "";
        }
        return fitting == 1
                   ? std::nullopt
                   : wrong(at, std::to_string(fitting) + " of the alternatives fit:" + all, value);
    }

    static const std::map<std::string, Keyword> keywords; // null: says nothing of a value

    const Json& root_;
};

const std::map<std::string, Check::Keyword> Check::keywords = {
    {"$schema",              nullptr            },
    {"$defs",                nullptr            },
    {"title",                nullptr            },
    {"description",          nullptr            },
    {"$ref",                 &Check::reference  },
    {"type",                 &Check::type       },
    {"const",                &Check::constant   },
    {"enum",                 &Check::enumeration},
    {"pattern",              &Check::pattern    },
    {"minimum",              &Check::minimum    },
    {"required",             &Check::required   },
    {"properties",           &Check::properties },
    {"additionalProperties", &Check::others     },
    {"items",                &Check::items      },
    {"oneOf",                &Check::one_of     },
};

} // namespace

std::optional<std::string> mismatch(const Json& schema, const Json& value) {
    return Check(schema).run(schema, value, "");
}

bool is_keyword(const std::string& name) { return Check::knows(name); }

Json schema_of(const std::string& directory, const Json& output) {
    if (!output.is_object() || !output.contains("schema")) {
        throw std::runtime_error("found no member \"schema\", expected one first of all");
    }
    const auto id                     = output.at("schema").get<std::string>();
    constexpr std::string_view prefix = "vestibule.";
    std::string name                  = id.starts_with(prefix) ? id.substr(prefix.size()) : "";
    std::ranges::replace(name, '/', '-');
    const std::string path = directory + "/" + name + ".json";
    std::ifstream file(path);
    if (name.empty() || !file) {
        throw std::runtime_error(id + ": there is no " + path);
    }
    return Json::parse(file);
}

std::optional<std::string> output_mismatch(const std::string& directory, const std::string& text) {
    const Json whole = Json::parse(text, nullptr, false);
    if (!whole.is_discarded()) {
        if (whole.is_object() && !whole.empty() && whole.begin().key() != "schema") {
            return "the member \"schema\" is not the first";
        }
        if (auto wrong = mismatch(schema_of(directory, whole), whole)) {
            return wrong;
        }
        return whole.contains("traceEvents") ? perfetto_fault(whole) : std::nullopt;
    }
    std::istringstream lines(text);
    Json schema;
    for (std::string line; std::getline(lines, line);) {
        const Json object = Json::parse(line);
        schema            = schema.is_null() ? schema_of(directory, object) : schema;
        if (auto found = mismatch(schema, object)) {
            return found;
        }
    }
    return std::nullopt;
}

} // namespace vestibule::json
