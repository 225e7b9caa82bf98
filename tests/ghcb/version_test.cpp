// SPDX-License-Identifier: BSD-2-Clause-Patent
// Choosing the protocol version (GHCB specification, section 2.2): the smaller of the two maxima,
// if the hypervisor's minimum allows it; this guest speaks 1 and 2.
#include "ghcb/version.h"
#include <gtest/gtest.h>

namespace vestibule::test {

TEST(Version, Table) {
    struct Row {
        u16 min;
        u16 max;
        u16 chosen; // 0: none
    };

    constexpr Row rows[] = {
        {1,     1,     1}, // KVM_SEV_ES_INIT
        {1,     2,     2}, // KVM_SEV_INIT2
        {2,     2,     2},
        {1,     3,     2},
        {2,     3,     2},
        {1,     65535, 2},
        {2,     65535, 2},
        {3,     3,     0}, // too new
        {3,     65535, 0},
        {65535, 65535, 0},
        {0,     0,     0}, // too old
        {0,     1,     1},
        {0,     2,     2},
        {0,     65535, 2},
        {1,     0,     0}, // a minimum above the
                   // maximum leaves nothing
        {2,     0,     0},
        {2,     1,     0},
        {3,     1,     0},
        {3,     2,     0},
        {65535, 0,     0},
        {65535, 1,     0},
        {65535, 2,     0},
        {65535, 65534, 0},
    };
    for (const Row& row : rows) {
        EXPECT_EQ(ghcb::negotiate_version(row.min, row.max), row.chosen)
            << "min " << row.min << " max " << row.max;
    }
}

TEST(Version, EveryPairUpToEight) {
    for (u16 min = 0; min < 8; ++min) {
        for (u16 max = 0; max < 8; ++max) {
            // Both ranges laid side by side, the highest number in both.
            u16 chosen = 0;
            for (u16 version = 1; version <= 2; ++version) {
                if (version >= min && version <= max) {
                    chosen = version;
                }
            }
            EXPECT_EQ(ghcb::negotiate_version(min, max), chosen) << min << " " << max;
        }
    }
}

} // namespace vestibule::test
