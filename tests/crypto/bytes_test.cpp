// SPDX-License-Identifier: BSD-2-Clause-Patent
// What ciphers need of memory.
#include "crypto/bytes.h"

#include <gtest/gtest.h>

namespace vestibule::test {

TEST(Bytes, ByTheirOrder) {
    u8 bytes[9] = {0x10, 0x11, 0x12, 0x13, 0x14, 0x15, 0x16, 0x17, 0x18};
    EXPECT_EQ(crypto::load_little64(bytes + 1), 0x1817'1615'1413'1211);
    EXPECT_EQ(crypto::load_big64(bytes + 1), 0x1112'1314'1516'1718);
    crypto::store_big32(bytes + 1, 0xA1A2'A3A4);
    EXPECT_EQ(crypto::load_big64(bytes), 0x10A1'A2A3'A415'1617);
    crypto::store_little64(bytes + 1, 0xB1B2'B3B4'B5B6'B7B8);
    EXPECT_EQ(crypto::load_big64(bytes), 0x10B8'B7B6'B5B4'B3B2);
    crypto::store_big64(bytes, 0xC1C2'C3C4'C5C6'C7C8);
    EXPECT_EQ(crypto::load_little64(bytes), 0xC8C7'C6C5'C4C3'C2C1);
}

TEST(Bytes, SameInEveryBit) {
    u8 left[16]  = {};
    u8 right[16] = {};
    EXPECT_TRUE(crypto::is_same(left, right, sizeof left));
    for (unsigned n = 0; n < 128; ++n) {
        right[n / 8] = static_cast<u8>(right[n / 8] ^ 1u << n % 8);
        EXPECT_FALSE(crypto::is_same(left, right, sizeof left)) << n;
        EXPECT_TRUE(crypto::is_same(left, right, n / 8)) << n;
        right[n / 8] = 0;
    }
}

TEST(Bytes, WipesNoMoreThanItIsTold) {
    u8 bytes[4] = {1, 2, 3, 4};
    crypto::wipe(bytes + 1, 2);
    EXPECT_EQ(bytes[0], 1);
    EXPECT_EQ(bytes[1], 0);
    EXPECT_EQ(bytes[2], 0);
    EXPECT_EQ(bytes[3], 4);
}

} // namespace vestibule::test
