// SPDX-License-Identifier: BSD-2-Clause-Patent
// GHASH against its definition (NIST SP 800-38D, section 6.3), bit by bit.
#include "crypto/ghash.h"

#include "tests/crypto/hex.h"
#include <gtest/gtest.h>
#include <random>

namespace vestibule::test {

using crypto::Ghash;

struct Words {
    u64 high;
    u64 low;
};

/// Algorithm 1 of the standard.
static Words product(Words x, Words y) {
    Words z{0, 0};
    Words v = y;
    for (unsigned n = 0; n < 128; ++n) {
        const u64 one = n < 64 ? x.high >> (63 - n) & 1 : x.low >> (127 - n) & 1;
        if (one != 0) {
            z = {z.high ^ v.high, z.low ^ v.low};
        }
        const bool carry = (v.low & 1) != 0;
        v                = {v.high >> 1, v.low >> 1 | v.high << 63};
        v.high ^= carry ? u64{0xE1} << 56 : 0;
    }
    return z;
}

static void compare(Words key, Words block) {
    u8 bytes[16];
    crypto::store_big64(bytes, key.high);
    crypto::store_big64(bytes + 8, key.low);
    Ghash hash;
    hash.set_key(bytes);
    hash.add_block(block.high, block.low);
    hash.finish(bytes);
    const Words wanted = product(key, block);
    EXPECT_EQ(crypto::load_big64(bytes), wanted.high);
    EXPECT_EQ(crypto::load_big64(bytes + 8), wanted.low);
}

TEST(Ghash, ProductsOfSingleBits) {
    for (unsigned left = 0; left < 128; ++left) {
        for (unsigned right = 0; right < 128; ++right) {
            const auto one = [](unsigned n) {
                return n < 64 ? Words{bit(63 - n), 0} : Words{0, bit(127 - n)};
            };
            compare(one(left), one(right));
        }
    }
}

/// As many ones as can meet in one place of the integers' product.
TEST(Ghash, ProductsWithCarriesEverywhere) {
    constexpr u64 words[] = {
        0, 1, ~u64{0}, 0x1111'1111'1111'1111, 0x8888'8888'8888'8888, 0xFFFF'FFFF'0000'0000};
    for (const u64 a : words) {
        for (const u64 b : words) {
            for (const u64 c : words) {
                for (const u64 d : words) {
                    compare({a, b}, {c, d});
                }
            }
        }
    }
}

TEST(Ghash, ProductsOfAnything) {
    std::mt19937_64 random{1};
    for (unsigned n = 0; n < 10'000; ++n) {
        compare({random(), random()}, {random(), random()});
    }
}

/// Data of any length count as if zeros filled up the last block.
TEST(Ghash, PartOfABlock) {
    const auto key = bytes_of("66e94bd4ef8a2c3b884cfa59ca342b2e");
    for (u64 size = 0; size <= 33; ++size) {
        std::vector<u8> data(48, 0);
        for (u64 n = 0; n < size; ++n) {
            data[n] = static_cast<u8>(n * 37 + 1);
        }
        Ghash part;
        part.set_key(key.data());
        part.add({data.data(), size});
        Ghash whole;
        whole.set_key(key.data());
        whole.add({data.data(), (size + 15) / 16 * 16});
        u8 hashes[2][16];
        part.finish(hashes[0]);
        whole.finish(hashes[1]);
        EXPECT_EQ(hex(hashes[0]), hex(hashes[1])) << size;
    }
}

} // namespace vestibule::test
