// SPDX-License-Identifier: BSD-2-Clause-Patent
// Whether text is well-formed XML, as far as the pictures of this project go.
#pragma once

#include "x86/types.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <string>
#include <vector>

namespace vestibule {

/// Tags that close what was opened, quoted attributes, no stray markup characters.
inline void expect_well_formed(const std::string& xml) {
    std::vector<std::string> open;
    for (u64 at = 0; at < xml.size(); ++at) {
        if (xml[at] == '&') {
            const u64 end = xml.find(';', at);
            ASSERT_LT(end - at, 6u) << xml.substr(at, 20);
        }
        ASSERT_NE(xml[at], '>') << at;
        if (xml[at] != '<') {
            continue;
        }
        const u64 end = xml.find('>', at);
        ASSERT_NE(end, std::string::npos);
        const std::string tag = xml.substr(at + 1, end - at - 1);
        ASSERT_EQ(std::ranges::count(tag, '"') % 2, 0) << tag;
        ASSERT_EQ(tag.find('<'), std::string::npos) << tag;
        if (tag.starts_with('/')) {
            ASSERT_FALSE(open.empty());
            ASSERT_EQ(open.back(), tag.substr(1));
            open.pop_back();
        } else if (!tag.ends_with('/')) {
            open.push_back(tag.substr(0, tag.find(' ')));
        }
        at = end;
    }
    EXPECT_TRUE(open.empty());
}

} // namespace vestibule
