// SPDX-License-Identifier: BSD-2-Clause-Patent
// That a program's JSON is as docs/schemas has it: for fixtures which see every output of theirs.
#pragma once

#include "tests/json/schema.h"

#include <gtest/gtest.h>

namespace vestibule::json {

/// SCHEMAS is the directory, of the build.
inline void expect_valid(const std::string& text) {
    try {
        const auto wrong = output_mismatch(SCHEMAS, text);
        EXPECT_FALSE(wrong) << *wrong;
    } catch (const std::exception& error) {
        ADD_FAILURE() << error.what() << " in\n" << text.substr(0, 2000);
    }
}

} // namespace vestibule::json
