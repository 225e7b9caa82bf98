// SPDX-License-Identifier: BSD-2-Clause-Patent
// The validator by itself: it tells right from wrong, and takes no schema that it does not
// understand; and that docs/schemas are such.
#include "tests/json/expect_valid.h"

#include <filesystem>
#include <fstream>

namespace vestibule::json {

TEST(JsonSchema, TellsRightFromWrong) {
    struct Case {
        const char* schema;
        const char* right;
        const char* wrong;
    };

    for (const Case& each : {
             Case{R"({"type":"string"})",                                     R"("a")",       "1"         },
             Case{R"({"type":["integer","null"]})",                           "null",         "1.5"       },
             Case{R"({"type":"number"})",                                     "1.5",          "true"      },
             Case{R"({"type":"object"})",                                     "{}",           "[]"        },
             Case{R"({"const":"x"})",                                         R"("x")",       R"("y")"    },
             Case{R"({"enum":["a",null]})",                                   "null",         R"("b")"    },
             Case{R"({"pattern":"^0x[0-9a-f]+$"})",                           R"("0x1f")",    R"("0X1f")" },
             Case{R"({"minimum":0})",                                         "0",            "-1"        },
             Case{R"({"required":["a"]})",                                    R"({"a":1})",   R"({"b":1})"},
             Case{R"({"properties":{"a":{"type":"string"}}})",                R"({"b":1})",   R"({"a":1})"},
             Case{R"({"properties":{"a":{}},"additionalProperties":false})",  R"({"a":1})",
                  R"({"a":1,"b":1})"                                                                      },
             Case{R"({"additionalProperties":{"type":"string"}})",            R"({"a":"b"})", R"({"a":1})"},
             Case{R"({"items":{"type":"string"}})",                           R"(["a"])",     R"(["a",1])"},
             Case{R"({"oneOf":[{"type":"string"},{"const":1}]})",             "1",            "2"         },
             Case{R"({"oneOf":[{"type":"integer"},{"minimum":5}]})",          "1",            "5"         },
             Case{R"({"$ref":"#/$defs/x","$defs":{"x":{"type":"boolean"}}})", "true",         "0"         },
    }) {
        const Json schema = Json::parse(each.schema);
        EXPECT_FALSE(mismatch(schema, Json::parse(each.right))) << each.schema;
        EXPECT_TRUE(mismatch(schema, Json::parse(each.wrong))) << each.schema;
    }
    const auto wrong = mismatch(Json::parse(R"({"properties":{"a":{"items":{"type":"string"}}}})"),
                                Json::parse(R"({"a":["x",7]})"));
    ASSERT_TRUE(wrong);
    EXPECT_EQ(*wrong, R"(/a/1: found 7, expected type "string")");
}

TEST(JsonSchema, RefusesWhatItDoesNotKnow) {
    for (const char* schema : {R"({"maximum":5})", R"({"if":{}})", R"({"$ref":"other.json"})"}) {
        EXPECT_THROW((void)mismatch(Json::parse(schema), 1), std::logic_error) << schema;
    }
    EXPECT_THROW((void)output_mismatch(SCHEMAS, "{}"), std::runtime_error);
    EXPECT_THROW((void)output_mismatch(SCHEMAS, R"({"schema":"vestibule.none/1"})"),
                 std::runtime_error);
    EXPECT_THROW((void)output_mismatch(SCHEMAS, R"({"schema":"diff"})"), std::runtime_error);
    EXPECT_TRUE(output_mismatch(SCHEMAS, R"({"left":"a","schema":"vestibule.diff/1"})"));
}

namespace {
/// Every keyword is known, every object says what it has and takes no more, and every member says
/// what it is.
void expect_strict(const Json& schema, const std::string& at) {
    if (!schema.is_object()) {
        return; // of additionalProperties
    }
    if (schema.contains("properties")) {
        EXPECT_TRUE(schema.contains("additionalProperties")) << at;
        EXPECT_TRUE(schema.contains("required")) << at;
    }
    for (const auto& [name, own] : schema.items()) {
        EXPECT_TRUE(is_keyword(name)) << at << ": " << name;
        if (name == "properties" || name == "$defs") {
            for (const auto& [key, member] : own.items()) {
                EXPECT_FALSE(member.value("description", "").empty()) << at << " " << key;
                expect_strict(member, at + "/" + key);
            }
        } else if (name == "items" || name == "additionalProperties") {
            expect_strict(own, at);
        } else if (name == "oneOf") {
            for (const Json& each : own) {
                expect_strict(each, at);
            }
        }
    }
}
} // namespace

TEST(JsonSchema, SchemasAreStrict) {
    unsigned count = 0;
    for (const auto& entry : std::filesystem::directory_iterator(SCHEMAS)) {
        std::ifstream file(entry.path());
        expect_strict(Json::parse(file), entry.path().filename());
        ++count;
    }
    EXPECT_EQ(count, 18U);
}

} // namespace vestibule::json
