// SPDX-License-Identifier: BSD-2-Clause-Patent
// AES-256-GCM against the examples of its first specification (cases 13 to 16) and against OpenSSL;
// and what a forger would change.
#include "crypto/aes_gcm.h"

#include "tests/crypto/hex.h"
#include <algorithm>
#include <array>
#include <cstdlib>
#include <gtest/gtest.h>
#include <memory>
#include <openssl/evp.h>
#include <random>

namespace vestibule::test {

using crypto::AesGcm;
using Tag = std::array<u8, AesGcm::tag_size>;

struct Sealed {
    std::vector<u8> text;
    Tag tag{};
};

struct Parts {
    std::vector<u8> key;
    std::vector<u8> nonce;
    std::vector<u8> authenticated;
    std::vector<u8> text;

    AesGcm::Frame frame() const {
        return {
            nonce.data(), {authenticated.data(), authenticated.size()}
        };
    }
};

static Sealed seal(const Parts& parts) {
    AesGcm gcm;
    gcm.set_key(parts.key.data());
    Sealed sealed{.text = parts.text};
    gcm.seal(parts.frame(), sealed.text.data(), sealed.text.size(), sealed.tag.data());
    return sealed;
}

/// What opens, or that nothing does; then the text must be as it was.
static bool opens(const Parts& parts, const Sealed& sealed, std::vector<u8>& text) {
    AesGcm gcm;
    gcm.set_key(parts.key.data());
    text              = sealed.text;
    const bool opened = gcm.open(parts.frame(), text.data(), text.size(), sealed.tag.data());
    if (!opened) {
        EXPECT_EQ(text, sealed.text);
    }
    return opened;
}

static Sealed seal_by_openssl(const Parts& parts) {
    Sealed sealed{.text = parts.text};
    const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context{
        EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
    int count       = 0;
    const auto size = [](const std::vector<u8>& bytes) { return static_cast<int>(bytes.size()); };
    EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, parts.key.data(),
                       parts.nonce.data());
    EVP_EncryptUpdate(context.get(), nullptr, &count, parts.authenticated.data(),
                      size(parts.authenticated));
    EVP_EncryptUpdate(context.get(), sealed.text.data(), &count, parts.text.data(),
                      size(parts.text));
    u8 none[16];
    EVP_EncryptFinal_ex(context.get(), none, &count);
    EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, AesGcm::tag_size, sealed.tag.data());
    return sealed;
}

static std::vector<u8> random_bytes(std::mt19937_64& random, u64 size) {
    std::vector<u8> bytes(size);
    std::ranges::generate(bytes, [&random] { return static_cast<u8>(random()); });
    return bytes;
}

static Parts random_parts(std::mt19937_64& random, u64 size, u64 authenticated) {
    return {.key           = random_bytes(random, AesGcm::key_size),
            .nonce         = random_bytes(random, AesGcm::nonce_size),
            .authenticated = random_bytes(random, authenticated),
            .text          = random_bytes(random, size)};
}

TEST(AesGcm, TheSpecificationsExamples) {
    const std::string key    = "feffe9928665731c6d6a8f9467308308";
    const std::string text   = "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
                               "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b391aafd255";
    const std::string sealed = "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                               "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad";
    const std::string zeros(64, '0');

    struct Row {
        std::string key, nonce, authenticated, text, sealed, tag;
    };

    const Row rows[] = {
        {zeros, zeros.substr(0, 24), "", "", "", "530f8afbc74536b9a963b4f1c4cb738b"},
        {zeros, zeros.substr(0, 24), "", zeros.substr(0, 32), "cea7403d4d606b6e074ec5d3baf39d18",
         "d0d1c8a799996bf0265b98b5d48ab919"},
        {key + key, "cafebabefacedbaddecaf888", "", text, sealed,
         "b094dac5d93471bdec1a502270e3cc6c"},
        {key + key, "cafebabefacedbaddecaf888", "feedfacedeadbeeffeedfacedeadbeefabaddad2",
         text.substr(0, 120), sealed.substr(0, 120), "76fc6ece0f4e1768cddf8853bb2d551b"},
    };
    for (const Row& row : rows) {
        const Parts parts{.key           = bytes_of(row.key),
                          .nonce         = bytes_of(row.nonce),
                          .authenticated = bytes_of(row.authenticated),
                          .text          = bytes_of(row.text)};
        const Sealed made = seal(parts);
        EXPECT_EQ(hex(made.text), row.sealed);
        EXPECT_EQ(hex(made.tag), row.tag);
        std::vector<u8> opened;
        EXPECT_TRUE(opens(parts, made, opened));
        EXPECT_EQ(hex(opened), row.text);
    }
}

TEST(AesGcm, EveryLengthAsOpenSslDoes) {
    std::mt19937_64 random{1};
    const auto compare = [&random](u64 size, u64 authenticated) {
        const Parts parts   = random_parts(random, size, authenticated);
        const Sealed made   = seal(parts);
        const Sealed wanted = seal_by_openssl(parts);
        ASSERT_EQ(hex(made.text), hex(wanted.text)) << size << ", " << authenticated;
        ASSERT_EQ(hex(made.tag), hex(wanted.tag)) << size << ", " << authenticated;
        std::vector<u8> opened;
        ASSERT_TRUE(opens(parts, made, opened));
        ASSERT_EQ(opened, parts.text);
    };
    for (u64 size = 0; size <= 140; ++size) {
        compare(size, size % 50);
        compare(size % 50, size);
    }
    for (u64 size = 3990; size <= 4000; ++size) { // the longest message
        compare(size, 48);
    }
}

/// VESTIBULE_AES_GCM_LONG: a million. Short ones mostly, and some as long as messages are.
TEST(AesGcm, RandomMessagesAsOpenSslDoes) {
    // NOLINTNEXTLINE(concurrency-mt-unsafe): one thread
    const unsigned count = std::getenv("VESTIBULE_AES_GCM_LONG") != nullptr ? 1'000'000 : 3'000;
    std::mt19937_64 random{2};
    for (unsigned n = 0; n < count; ++n) {
        const u64 longest   = n % 16 == 0 ? 4001 : 150;
        const Parts parts   = random_parts(random, random() % longest, random() % 80);
        const Sealed made   = seal(parts);
        const Sealed wanted = seal_by_openssl(parts);
        ASSERT_EQ(made.text, wanted.text) << n;
        ASSERT_EQ(made.tag, wanted.tag) << n;
    }
}

/// Keys, nonces and counters at their ends, where a carry or a sign would show.
TEST(AesGcm, ExtremesAsOpenSslDoes) {
    std::mt19937_64 random{3};
    for (const u8 key : bytes_of("00017f80ff")) {
        for (const u8 nonce : bytes_of("007f80ff")) {
            for (const u8 byte : bytes_of("00ff")) {
                const Parts parts{.key           = std::vector<u8>(AesGcm::key_size, key),
                                  .nonce         = std::vector<u8>(AesGcm::nonce_size, nonce),
                                  .authenticated = std::vector<u8>(48, byte),
                                  .text          = std::vector<u8>(1200, byte)};
                const Sealed made   = seal(parts);
                const Sealed wanted = seal_by_openssl(parts);
                EXPECT_EQ(hex(made.text), hex(wanted.text));
                EXPECT_EQ(hex(made.tag), hex(wanted.tag));
            }
        }
    }
}

class Forger : public testing::Test {
  protected:
    std::mt19937_64 random{4};
    Parts parts   = random_parts(random, 100, 48);
    Sealed sealed = seal(parts);
    std::vector<u8> text;

    /// Each bit of it changed in turn; nothing may open.
    void change_each_bit(auto& bytes) {
        for (u64 n = 0; n < bytes.size() * 8; ++n) {
            bytes[n / 8] = static_cast<u8>(bytes[n / 8] ^ 1u << n % 8);
            EXPECT_FALSE(opens(parts, sealed, text)) << "bit " << n;
            bytes[n / 8] = static_cast<u8>(bytes[n / 8] ^ 1u << n % 8);
        }
        EXPECT_TRUE(opens(parts, sealed, text));
    }
};

TEST_F(Forger, ChangesTheTag) { change_each_bit(sealed.tag); }

TEST_F(Forger, ChangesTheText) { change_each_bit(sealed.text); }

TEST_F(Forger, ChangesTheNonce) { change_each_bit(parts.nonce); }

TEST_F(Forger, ChangesWhatIsAuthenticated) { change_each_bit(parts.authenticated); }

TEST_F(Forger, HasAnotherKey) { change_each_bit(parts.key); }

TEST_F(Forger, CutsOffAndAdds) {
    for (u64 size = 0; size < 100; ++size) {
        Sealed shorter = sealed;
        shorter.text.resize(size);
        EXPECT_FALSE(opens(parts, shorter, text)) << size;
    }
    sealed.text.push_back(0);
    EXPECT_FALSE(opens(parts, sealed, text));
}

/// What is authenticated and what is encrypted are told apart by their lengths alone.
TEST_F(Forger, MovesBytesBetweenTheTwo) {
    sealed.text.insert(sealed.text.begin(), parts.authenticated.back());
    parts.authenticated.pop_back();
    EXPECT_FALSE(opens(parts, sealed, text));
}

/// Wycheproof's special tags: all zeros, all ones, the highest or lowest bit of every byte.
TEST_F(Forger, GuessesATag) {
    const Tag good = sealed.tag;
    sealed.tag.fill(0);
    EXPECT_FALSE(opens(parts, sealed, text));
    sealed.tag.fill(0xFF);
    EXPECT_FALSE(opens(parts, sealed, text));
    for (const u8 mask : bytes_of("0180ff")) {
        std::ranges::transform(good, sealed.tag.begin(),
                               [mask](u8 byte) { return static_cast<u8>(byte ^ mask); });
        EXPECT_FALSE(opens(parts, sealed, text));
    }
}

TEST_F(Forger, FindsNothingBehindForget) {
    AesGcm gcm;
    gcm.set_key(parts.key.data());
    gcm.forget();
    const auto* bytes = reinterpret_cast<const u8*>(&gcm);
    EXPECT_TRUE(std::all_of(bytes, bytes + sizeof gcm, [](u8 byte) { return byte == 0; }));
}

} // namespace vestibule::test
