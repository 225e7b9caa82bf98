// SPDX-License-Identifier: BSD-2-Clause-Patent
// Makes docs/json.md of the schemas: json_page DIRECTORY prints it. A test holds the page
// against it, so that a member has one description and is on the page.
#include "tests/json/schema.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

namespace vestibule::json {

namespace {

constexpr const char* beginning =
    R"(# JSON outputs

Each JSON output of igvmtool, sevsim and sevlaunch is one object, or lines of one object each, and says first of all
which it is: `"schema": "vestibule.NAME/1"`. The number changes where a member goes or means something else; a member
more is no change. A field has the same name in all of them.

Addresses, registers, flags and codes are strings, `"0x200000"`, since not every reader of JSON keeps 64 bits of a
number; amounts and indexes are numbers. "hex" is a string of hexadecimal digits without 0x, two a byte. A member in
*italics* may be missing. What stands in brackets is of each element.

The tables are made from the JSON Schema files in `docs/schemas`, installed in `share/vestibule/schemas`, against which
the tests hold every output that they see: `build/test/tests/json/json_page docs/schemas >docs/json.md`.
)";

std::string words_of_type(const Json& schema) {
    if (schema.contains("const")) {
        return schema.at("const").dump();
    }
    if (schema.contains("enum")) {
        std::string words;
        for (const Json& value : schema.at("enum")) {
            words += (words.empty() ? "" : ", ") + value.dump();
        }
        return words;
    }
    if (schema.contains("$ref")) {
        const auto name = schema.at("$ref").get<std::string>();
        return "\"" + name.substr(name.rfind('/') + 1) + "\" below";
    }
    if (schema.contains("oneOf")) {
        std::string words;
        for (const Json& each : schema.at("oneOf")) {
            words += (words.empty() ? "" : ", or ") + words_of_type(each);
        }
        return words;
    }
    const Json& type = schema.at("type");
    std::string name = type.is_array() ? type[0].get<std::string>() : type.get<std::string>();
    if (const auto pattern = schema.value("pattern", ""); pattern.starts_with("^0x")) {
        name = "\"0x...\"";
    } else if (pattern.starts_with("^[0-9a-f]{")) {
        name = "hex, " + pattern.substr(10, pattern.find('}') - 10) + " digits";
    } else if (!pattern.empty()) {
        name = "hex";
    } else if (name == "array") {
        name = "list of " + words_of_type(schema.at("items"));
    } else if (name == "integer") {
        name = "number";
    }
    return type.is_array() ? name + " or null" : name;
}

void print_row(const std::string& key, bool is_required, const Json& schema) {
    const char* mark = is_required ? "" : "*";
    std::printf("| %s`%s`%s | %s | %s |\n", mark, key.c_str(), mark, words_of_type(schema).c_str(),
                schema.value("description", "").c_str());
}

/// What lists of lists are of.
const Json& element_of(const Json& schema, std::string& key) {
    const Json* inner = &schema;
    while (inner->contains("items")) {
        inner = &inner->at("items");
        key += "[]";
    }
    return *inner;
}

void print_members(const Json& schema, const std::string& prefix) {
    for (const auto& [name, member] : schema.at("properties").items()) {
        std::string key        = prefix + name;
        const Json& required   = schema.at("required");
        const bool is_required = std::ranges::find(required, Json(name)) != required.end();
        const Json& inner      = element_of(member, key);
        print_row(key, is_required, member);
        if (inner.contains("properties")) {
            print_members(inner, key + ".");
        } else if (inner.value("additionalProperties", Json()).is_object()) {
            print_row(key + ".NAME", true, inner.at("additionalProperties"));
        }
    }
}

void print_table(const Json& schema) {
    std::printf("\n| key | type | what |\n|---|---|---|\n");
    print_members(schema, "");
}

void print_schema(const Json& schema, const std::string& name) {
    std::printf("\n## vestibule.%s\n\n`%s`. %s\n", name.c_str(),
                schema.at("title").get<std::string>().c_str(),
                schema.at("description").get<std::string>().c_str());
    if (schema.contains("properties")) {
        print_table(schema);
    }
    if (schema.contains("$defs")) {
        for (const auto& [key, own] : schema.at("$defs").items()) {
            std::printf("\n\"%s\": %s.\n", key.c_str(),
                        own.at("description").get<std::string>().c_str());
            print_table(own);
        }
    }
}

} // namespace

} // namespace vestibule::json

int main(int argc, char** argv) {
    using namespace vestibule::json;
    if (argc != 2) {
        std::fprintf(stderr, "json_page: expected the directory of the schemas\n");
        return 2;
    }
    std::vector<std::filesystem::path> files;
    for (const auto& entry : std::filesystem::directory_iterator(argv[1])) {
        files.push_back(entry.path());
    }
    std::ranges::sort(files);
    std::fputs(beginning, stdout);
    for (const auto& path : files) {
        std::ifstream file(path);
        std::string name = path.stem();
        name.replace(name.rfind('-'), 1, "/"); // the number is behind the last one
        print_schema(Json::parse(file), name);
    }
    return 0;
}
