// SPDX-License-Identifier: BSD-2-Clause-Patent
// SHA-256 against FIPS 180's examples and OpenSSL, in pieces of every size around a block.
#include "crypto/sha256.h"

#include "tests/crypto/hex.h"
#include <gtest/gtest.h>
#include <openssl/sha.h>
#include <vector>

namespace vestibule::test {

using Digest = std::vector<u8>;

static Digest digest_of(const std::vector<u8>& bytes, u64 first_piece) {
    crypto::Sha256 hash;
    const u64 cut = std::min<u64>(first_piece, bytes.size());
    hash.add(bytes.data(), cut);
    hash.add(bytes.data() + cut, bytes.size() - cut);
    u8 digest[crypto::Sha256::digest_size];
    hash.finish(digest);
    return {std::begin(digest), std::end(digest)};
}

TEST(CryptoSha256, HasTheStandardsDigests) {
    EXPECT_EQ(hex(digest_of({'a', 'b', 'c'}, 0)),
              ("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"));
    EXPECT_EQ(hex(digest_of({}, 0)),
              ("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"));
}

TEST(CryptoSha256, IsOpenSslsOfEveryLength) {
    std::vector<u8> bytes;
    for (u64 size = 0; size < 300; ++size) {
        Digest wanted(SHA256_DIGEST_LENGTH);
        SHA256(bytes.data(), bytes.size(), wanted.data());
        EXPECT_EQ(digest_of(bytes, size / 3), wanted) << size;
        EXPECT_EQ(digest_of(bytes, 64), wanted) << size;
        bytes.push_back(static_cast<u8>(size * 7 + 1));
    }
}

} // namespace vestibule::test
