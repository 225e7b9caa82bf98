// SPDX-License-Identifier: BSD-2-Clause-Patent
// AES-256 against the standard: SubBytes by its definition, the example of appendix C.3, and each
// of the four blocks by itself.
#include "crypto/aes256.h"

#include "tests/crypto/hex.h"
#include <gtest/gtest.h>
#include <random>

namespace vestibule::test {

using crypto::Aes256;
using crypto::Planes;

/// Section 4.2, a bit at a time.
static u8 product(u8 left, u8 right) {
    unsigned sum   = 0;
    unsigned power = left;
    for (unsigned n = 0; n < 8; ++n) {
        sum ^= (right >> n & 1) != 0 ? power : 0;
        power = power << 1 ^ ((power & 0x80) != 0 ? 0x11B : 0);
    }
    return static_cast<u8>(sum);
}

/// Section 5.1.1: the inverse, found by trying, then b_i + b_(i+4) + ... + b_(i+7) + c_i.
static u8 substituted(u8 byte) {
    unsigned inverse = 0;
    while (byte != 0 && product(byte, static_cast<u8>(inverse)) != 1) {
        ++inverse;
    }
    unsigned result = 0;
    for (unsigned n = 0; n < 8; ++n) {
        unsigned sum = 0x63u >> n & 1;
        for (const unsigned other : {0U, 4U, 5U, 6U, 7U}) {
            sum ^= inverse >> (n + other) % 8 & 1;
        }
        result |= sum << n;
    }
    return static_cast<u8>(result);
}

TEST(Aes, SubBytesIsTheInverseAndAnAffineMap) {
    for (unsigned first = 0; first < 256; first += 64) {
        u8 bytes[64];
        for (unsigned n = 0; n < 64; ++n) {
            bytes[n] = static_cast<u8>(first + n);
        }
        Planes planes;
        crypto::detail::to_planes(bytes, planes);
        planes = crypto::sub_bytes(planes);
        crypto::detail::from_planes(planes, bytes);
        for (unsigned n = 0; n < 64; ++n) {
            EXPECT_EQ(bytes[n], substituted(static_cast<u8>(first + n))) << first + n;
        }
    }
}

TEST(Aes, PlanesHaveABitOfEachByte) {
    std::mt19937_64 random{1};
    u8 bytes[64];
    u8 back[64];
    for (u8& byte : bytes) {
        byte = static_cast<u8>(random());
    }
    Planes planes;
    crypto::detail::to_planes(bytes, planes);
    for (unsigned n = 0; n < 8; ++n) {
        for (unsigned place = 0; place < 64; ++place) {
            EXPECT_EQ(planes.bits[n] >> place & 1, bytes[place] >> n & 1u);
        }
    }
    crypto::detail::from_planes(planes, back);
    EXPECT_EQ(hex(back), hex(bytes));
}

TEST(Aes, TheStandardsExample) {
    const auto key = bytes_of("000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f");
    auto blocks    = bytes_of("00112233445566778899aabbccddeeff");
    blocks.resize(Aes256::bytes_at_once);
    Aes256 cipher;
    cipher.set_key(key.data());
    cipher.encrypt(blocks.data());
    EXPECT_EQ(hex(std::span{blocks}.first(16)), "8ea2b7ca516745bfeafc49904b496089");
}

TEST(Aes, NoBlockDependsOnAnother) {
    std::mt19937_64 random{2};
    const auto fill = [&random](u8* bytes, u64 size) {
        for (u64 n = 0; n < size; ++n) {
            bytes[n] = static_cast<u8>(random());
        }
    };
    u8 key[Aes256::key_size];
    fill(key, sizeof key);
    Aes256 cipher;
    cipher.set_key(key);
    u8 blocks[Aes256::bytes_at_once];
    fill(blocks, sizeof blocks);
    u8 together[Aes256::bytes_at_once];
    std::copy_n(blocks, sizeof blocks, together);
    cipher.encrypt(together);
    for (unsigned place = 0; place < 4; ++place) {
        for (unsigned block = 0; block < 4; ++block) {
            u8 alone[Aes256::bytes_at_once];
            fill(alone, sizeof alone);
            std::copy_n(blocks + u64{block} * 16, 16, alone + u64{place} * 16);
            cipher.encrypt(alone);
            EXPECT_EQ(hex({alone + u64{place} * 16, 16}), hex({together + u64{block} * 16, 16}))
                << block << " at " << place;
        }
    }
}

} // namespace vestibule::test
