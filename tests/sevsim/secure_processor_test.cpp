// SPDX-License-Identifier: BSD-2-Clause-Patent
// The secure processor's own cryptography against OpenSSL's and against published vectors.
#include "sevsim/monitor/secure_processor/aes_gcm.h"
#include "sevsim/monitor/secure_processor/p384.h"

#include <algorithm>
#include <gtest/gtest.h>
#include <memory>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/obj_mac.h>
#include <openssl/param_build.h>
#include <openssl/sha.h>
#include <random>
#include <string>
#include <vector>

namespace vestibule::sevsim {
namespace {

std::vector<u8> random_bytes(std::mt19937_64& random, size_t size) {
    std::vector<u8> bytes(size);
    for (u8& byte : bytes) {
        byte = static_cast<u8>(random());
    }
    return bytes;
}

std::string hex(std::span<const u8> bytes) {
    std::string text;
    for (const u8 byte : bytes) {
        constexpr const char* digits = "0123456789abcdef";
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

TEST(SecureProcessor, HashesMessagesOfEveryLength) {
    std::mt19937_64 random{1};
    for (size_t size = 0; size < 400; ++size) {
        const auto message = random_bytes(random, size);
        u8 wanted[48];
        SHA384(message.data(), message.size(), wanted);
        EXPECT_EQ(hex(sha384(message).bytes), hex(wanted)) << size;
        Sha384 in_pieces;
        in_pieces.add(std::span{message}.first(size / 3));
        in_pieces.add(std::span{message}.subspan(size / 3));
        EXPECT_EQ(hex(in_pieces.finish().bytes), hex(wanted)) << size;
    }
}

TEST(SecureProcessor, AuthenticatesMessages) {
    std::mt19937_64 random{2};
    for (size_t size = 0; size < 200; size += 7) {
        const auto key     = random_bytes(random, 48);
        const auto message = random_bytes(random, size);
        u8 wanted[48];
        unsigned length = 0;
        HMAC(EVP_sha384(), key.data(), 48, message.data(), message.size(), wanted, &length);
        const std::span<const u8> piece = message;
        EXPECT_EQ(hex(hmac_sha384(key, {&piece, 1}).bytes), hex(wanted)) << size;
    }
}

TEST(SecureProcessor, EncryptsAsOpenSslDoes) {
    std::mt19937_64 random{3};
    for (size_t size = 0; size < 300; size += 5) {
        const auto key   = random_bytes(random, 32);
        const auto nonce = random_bytes(random, 12);
        const auto extra = random_bytes(random, size % 48);
        const auto text  = random_bytes(random, size);
        std::vector<u8> wanted(size + 16);
        u8 wanted_tag[16];
        const std::unique_ptr<EVP_CIPHER_CTX, decltype(&EVP_CIPHER_CTX_free)> context{
            EVP_CIPHER_CTX_new(), &EVP_CIPHER_CTX_free};
        int count = 0;
        ASSERT_EQ(
            EVP_EncryptInit_ex(context.get(), EVP_aes_256_gcm(), nullptr, key.data(), nonce.data()),
            1);
        EVP_EncryptUpdate(context.get(), nullptr, &count, extra.data(),
                          static_cast<int>(extra.size()));
        EVP_EncryptUpdate(context.get(), wanted.data(), &count, text.data(),
                          static_cast<int>(size));
        EVP_EncryptFinal_ex(context.get(), wanted.data() + size, &count);
        EVP_CIPHER_CTX_ctrl(context.get(), EVP_CTRL_AEAD_GET_TAG, 16, wanted_tag);
        wanted.resize(size);

        const AesGcm gcm{key.data()};
        const GcmMessage message{nonce.data(), extra};
        std::vector<u8> made(size);
        u8 tag[16];
        gcm.encrypt(message, text, made.data(), tag);
        EXPECT_EQ(hex(made), hex(wanted)) << size;
        EXPECT_EQ(hex(tag), hex(wanted_tag)) << size;
        std::vector<u8> back(size);
        EXPECT_TRUE(gcm.decrypt(message, made, back.data(), tag));
        EXPECT_EQ(hex(back), hex(text));
        tag[size % 16] ^= 1;
        EXPECT_FALSE(gcm.decrypt(message, made, back.data(), tag));
    }
}

/// RFC 6979, appendix A.2.6, with SHA-384.
TEST(SecureProcessor, SignsAsRfc6979Says) {
    constexpr u8 key[] = {0x6B, 0x9D, 0x3D, 0xAD, 0x2E, 0x1B, 0x8C, 0x1C, 0x05, 0xB1, 0x98, 0x75,
                          0xB6, 0x65, 0x9F, 0x4D, 0xE2, 0x3C, 0x3B, 0x66, 0x7B, 0xF2, 0x97, 0xBA,
                          0x9A, 0xA4, 0x77, 0x40, 0x78, 0x71, 0x37, 0xD8, 0x96, 0xD5, 0x72, 0x4E,
                          0x4C, 0x70, 0xA8, 0x25, 0xF8, 0x72, 0xC9, 0xEA, 0x60, 0xD2, 0xED, 0xF5};
    constexpr u8 message[] = {'s', 'a', 'm', 'p', 'l', 'e'};
    const Signature made   = sign_p384(key, sha384(message));
    EXPECT_EQ(hex(made.r), "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c"
                           "81a648152e44acf96e36dd1e80fabe46");
    EXPECT_EQ(hex(made.s), "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94f"
                           "a329c145786e679e7b82c71a38628ac8");
}

TEST(SecureProcessor, SignsWhatOpenSslVerifies) {
    std::mt19937_64 random{4};
    for (unsigned n = 0; n < 20; ++n) {
        const std::unique_ptr<EC_KEY, decltype(&EC_KEY_free)> key{
            EC_KEY_new_by_curve_name(NID_secp384r1), &EC_KEY_free};
        ASSERT_EQ(EC_KEY_generate_key(key.get()), 1);
        u8 scalar[48];
        BN_bn2binpad(EC_KEY_get0_private_key(key.get()), scalar, sizeof scalar);
        const auto message     = random_bytes(random, n * 37);
        const Digest384 digest = sha384(message);
        const Signature made   = sign_p384(scalar, digest);
        const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> signature{ECDSA_SIG_new(),
                                                                              &ECDSA_SIG_free};
        ECDSA_SIG_set0(signature.get(), BN_bin2bn(made.r, 48, nullptr),
                       BN_bin2bn(made.s, 48, nullptr));
        EXPECT_EQ(ECDSA_do_verify(digest.bytes, 48, signature.get(), key.get()), 1) << n;
    }
}

} // namespace
} // namespace vestibule::sevsim
