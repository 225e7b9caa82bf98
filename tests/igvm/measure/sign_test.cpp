// SPDX-License-Identifier: BSD-2-Clause-Patent
// ID blocks: the firmware's bytes, signatures that OpenSSL's own ECDSA_do_verify accepts, and every
// signed bit broken once.
#include "tests/igvm/launch_fixture.h"
#include "tests/key_file.h"

#include "igvm/format/rewrite.h"
#include "igvm/measure/id_block.h"

#include <openssl/ec.h>
#include <openssl/evp.h>

#include <algorithm>
#include <filesystem>

// OpenSSL 3 deprecates the low-level calls, which are here because igvmtool does not use them.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace vestibule::igvm::test {

namespace {
/// The signature as OpenSSL's oldest interface sees it, from the firmware's bytes.
bool openssl_accepts(std::span<const u8> message, const SnpSignature& signature, const IdKey& key) {
    EC_KEY* ec         = EC_KEY_new_by_curve_name(NID_secp384r1);
    BIGNUM* x          = BN_lebin2bn(key.qx, sizeof(key.qx), nullptr);
    BIGNUM* y          = BN_lebin2bn(key.qy, sizeof(key.qy), nullptr);
    bool good          = EC_KEY_set_public_key_affine_coordinates(ec, x, y) == 1;
    ECDSA_SIG* numbers = ECDSA_SIG_new();
    ECDSA_SIG_set0(numbers, BN_lebin2bn(signature.r, sizeof(signature.r), nullptr),
                   BN_lebin2bn(signature.s, sizeof(signature.s), nullptr));
    const Digest384 digest = sha384(message);
    good =
        good && ECDSA_do_verify(digest.data(), static_cast<int>(digest.size()), numbers, ec) == 1;
    ECDSA_SIG_free(numbers);
    BN_free(x);
    BN_free(y);
    EC_KEY_free(ec);
    return good;
}

std::string base64(std::span<const u8> bytes) {
    std::vector<u8> text((bytes.size() + 2) / 3 * 4 + 1);
    const int length = EVP_EncodeBlock(text.data(), bytes.data(), static_cast<int>(bytes.size()));
    return {text.begin(), text.begin() + length};
}

SnpIdBlock block_for(u32 mask) {
    SnpIdBlock block{};
    block.compatibility_mask = mask;
    block.version            = 1;
    block.guest_svn          = 5;
    std::ranges::fill(block.ld, 0xAB);
    std::ranges::fill(block.family_id, 1);
    std::ranges::fill(block.image_id, 2);
    return block;
}

constexpr u64 policy = 0x3'0000;
} // namespace

/// The vector of sev-snp-measure's test suite.
TEST(IgvmSign, BlockAsTheFirmwareWantsIt) {
    SnpIdBlock block{};
    block.version = 1;
    std::vector<u8> ld(49);
    const std::string text = "B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7t";
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-reinterpret-cast)
    ASSERT_EQ(EVP_DecodeBlock(ld.data(), reinterpret_cast<const u8*>(text.data()),
                              static_cast<int>(text.size())),
              48);
    std::copy_n(ld.begin(), sizeof(block.ld), block.ld);
    EXPECT_EQ(base64(bytes_of(firmware_block(block, policy))),
              text + "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAwAAAAAA");
}

TEST(IgvmSign, OpenSslAccepts) {
    const KeyFile id;
    const KeyFile author;
    const PrivateKey author_key = author.read();
    SnpIdBlock block            = block_for(1);
    sign(block, policy, id.read(), &author_key);
    EXPECT_EQ(block.author_key_enabled, 1);
    EXPECT_TRUE(faults_of(block, policy).empty());

    const IdBlock message = firmware_block(block, policy);
    const IdAuth auth     = firmware_auth(block);
    EXPECT_EQ(auth.id_key.curve, curve_p384);
    EXPECT_EQ(auth.id_key_algorithm, 1u);
    EXPECT_EQ(auth.author_key_algorithm, 1u);
    EXPECT_TRUE(openssl_accepts(bytes_of(message), auth.id_block_signature, auth.id_key));
    EXPECT_TRUE(openssl_accepts(bytes_of(auth.id_key), auth.id_key_signature, auth.author_key));
    EXPECT_FALSE(openssl_accepts(bytes_of(message), auth.id_block_signature, auth.author_key));
}

TEST(IgvmSign, WithoutAuthor) {
    const KeyFile id;
    SnpIdBlock block = block_for(1);
    sign(block, policy, id.read(), nullptr);
    EXPECT_EQ(block.author_key_enabled, 0);
    EXPECT_TRUE(faults_of(block, policy).empty());
    const IdAuth auth = firmware_auth(block);
    EXPECT_EQ(auth.author_key.curve, 0u);
    EXPECT_EQ(auth.author_key_algorithm, 0u);
}

TEST(IgvmSign, EveryChangedByteIsSeen) {
    const KeyFile id;
    const KeyFile author;
    const PrivateKey author_key = author.read();
    SnpIdBlock block            = block_for(1);
    sign(block, policy, id.read(), &author_key);
    EXPECT_FALSE(faults_of(block, policy | 1).empty());
    Bytes bytes(bytes_of(block).begin(), bytes_of(block).end());
    // Behind the mask and the author's flag and reserved bytes all is signed or signs; the keys'
    // reserved words the reader refuses.
    for (u64 at = offsetof(SnpIdBlock, ld); at < bytes.size(); at += 3) {
        const u64 id_reserved     = offsetof(SnpIdBlock, id_public_key.reserved);
        const u64 author_reserved = offsetof(SnpIdBlock, author_public_key.reserved);
        if ((at >= id_reserved && at < id_reserved + 4)
            || (at >= author_reserved && at < author_reserved + 4)) {
            continue;
        }
        bytes[at] ^= 0x40;
        EXPECT_FALSE(faults_of(load<SnpIdBlock>(bytes), policy).empty()) << at;
        bytes[at] ^= 0x40;
    }
}

TEST(IgvmSign, FileGetsBlockAndPolicy) {
    const KeyFile id;
    const Bytes file   = worked_file();
    const auto parsed  = parse(file);
    const u32 mask     = parsed->mask_of(PlatformType::sev_snp);
    SnpIdBlock block   = block_for(mask);
    const u64 stricter = policy | 1u << 20;
    sign(block, stricter, id.read(), nullptr);
    const auto signed_file = with_id_block(*parsed, block, stricter);
    ASSERT_TRUE(signed_file) << signed_file.error().rule_name();
    const auto result = parse(*signed_file);
    ASSERT_TRUE(result);
    EXPECT_EQ(policy_of(*result, mask), stricter);
    const auto found = load<SnpIdBlock>(*signed_file, content_of<SnpIdBlock>(*signed_file));
    EXPECT_TRUE(faults_of(found, stricter).empty());

    // Neither is in the launch digest.
    const auto options = options_for(PlatformType::sev_snp, Vmm::qemu);
    EXPECT_EQ(digest_of(*signed_file, options), digest_of(file, options));

    // Signed again: the new block replaces the old one.
    block.guest_svn = 6;
    sign(block, policy, id.read(), nullptr);
    const auto again = with_id_block(*result, block, policy);
    ASSERT_TRUE(again);
    EXPECT_EQ(again->size(), signed_file->size());
    EXPECT_EQ(load<SnpIdBlock>(*again, content_of<SnpIdBlock>(*again)).guest_svn, 6u);
}

TEST(IgvmSign, OtherPlatformsKeepTheirPolicy) {
    Writer writer;
    const u32 snp = writer.add_platform(PlatformType::sev_snp);
    const u32 tdx = writer.add_platform(PlatformType::tdx);
    writer.add(GuestPolicy{.policy = 5, .compatibility_mask = snp | tdx, .reserved = 0});
    const Bytes file  = must_finish(writer);
    const auto result = with_id_block(*parse(file), block_for(snp), policy);
    ASSERT_TRUE(result) << result.error().rule_name();
    EXPECT_EQ(policy_of(*parse(*result), snp), policy);
    EXPECT_EQ(policy_of(*parse(*result), tdx), 5u);
}

TEST(IgvmSign, OtherPlatformsKeepTheirBlock) {
    Writer writer;
    const u32 snp = writer.add_platform(PlatformType::sev_snp);
    const u32 tdx = writer.add_platform(PlatformType::tdx);
    writer.add(block_for(snp | tdx));
    const Bytes file  = must_finish(writer);
    const auto result = with_id_block(*parse(file), block_for(snp), policy);
    ASSERT_TRUE(result) << result.error().rule_name();
    std::vector<u32> masks;
    const auto parsed = parse(*result);
    for (const Header header : parsed->directives()) {
        if (const auto block = header.as<SnpIdBlock>()) {
            masks.push_back(block->compatibility_mask);
        }
    }
    EXPECT_EQ(masks, (std::vector<u32>{snp, tdx}));
}

TEST(IgvmSign, OnlyP384) {
    const KeyFile wrong("P-256");
    const auto key = PrivateKey::read(wrong.path());
    ASSERT_FALSE(key);
    EXPECT_NE(key.error().find("P-384"), std::string::npos);
    EXPECT_FALSE(PrivateKey::read(testing::TempDir() + "no such key"));
}

} // namespace vestibule::igvm::test
