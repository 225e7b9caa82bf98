// SPDX-License-Identifier: BSD-2-Clause-Patent
// The owner's session and secrets, unwrapped as the platform's firmware does (SEV API
// specification, 6.2 and 6.6): its side is written here by itself.
#include "tests/igvm/launch_fixture.h"

#include "igvm/measure/ecdsa.h"
#include "igvm/measure/launch_digest.h"
#include "igvm/measure/sev_session.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/evp.h>

#include <algorithm>

// The low-level calls are here because igvmtool does not use them.
#pragma clang diagnostic ignored "-Wdeprecated-declarations"

namespace vestibule::igvm::test {

namespace {
/// A platform with a key of its own.
class Platform {
  public:
    Platform() : key_(EC_KEY_new_by_curve_name(NID_secp384r1)) { EC_KEY_generate_key(key_); }

    Platform(const Platform&)            = delete;
    Platform& operator=(const Platform&) = delete;

    ~Platform() { EC_KEY_free(key_); }

    [[nodiscard]] SevCertificate pdh() const {
        SevCertificate certificate{};
        certificate.version   = 1;
        certificate.api_major = 1;
        certificate.api_minor = 55;
        certificate.usage     = 0x1003;
        certificate.algorithm = 3;
        certificate.curve     = 2;
        BIGNUM* x             = BN_new();
        BIGNUM* y             = BN_new();
        EC_POINT_get_affine_coordinates(EC_KEY_get0_group(key_), EC_KEY_get0_public_key(key_), x, y,
                                        nullptr);
        BN_bn2lebinpad(x, certificate.qx, sizeof(certificate.qx));
        BN_bn2lebinpad(y, certificate.qy, sizeof(certificate.qy));
        BN_free(x);
        BN_free(y);
        return certificate;
    }

    /// LAUNCH_START; none where a MAC is wrong.
    [[nodiscard]] std::optional<TransportKeys> start(const SevCertificate& godh,
                                                     const SevSession& session, u32 policy) const {
        EC_POINT* point = EC_POINT_new(EC_KEY_get0_group(key_));
        BIGNUM* x       = BN_lebin2bn(godh.qx, sizeof(godh.qx), nullptr);
        BIGNUM* y       = BN_lebin2bn(godh.qy, sizeof(godh.qy), nullptr);
        EXPECT_EQ(EC_POINT_set_affine_coordinates(EC_KEY_get0_group(key_), point, x, y, nullptr),
                  1);
        u8 shared[48];
        EXPECT_EQ(ECDH_compute_key(shared, sizeof(shared), point, key_, nullptr), 48);
        EC_POINT_free(point);
        BN_free(x);
        BN_free(y);
        const Bytes master = kdf(shared, "sev-master-secret", session.nonce);
        const Bytes kek    = kdf(master, "sev-kek", {});
        const Bytes kik    = kdf(master, "sev-kik", {});
        if (!std::ranges::equal(hmac_sha256(kik, session.wrapped_keys), session.wrap_mac)) {
            return std::nullopt;
        }
        const Bytes both = ctr(kek, session.wrap_iv, session.wrapped_keys);
        TransportKeys keys;
        std::ranges::copy(std::span(both).first(16), keys.tek.begin());
        std::ranges::copy(std::span(both).last(16), keys.tik.begin());
        const u8 own[] = {static_cast<u8>(policy), static_cast<u8>(policy >> 8),
                          static_cast<u8>(policy >> 16), static_cast<u8>(policy >> 24)};
        return std::ranges::equal(hmac_sha256(keys.tik, own), session.policy_mac)
                   ? std::optional(keys)
                   : std::nullopt;
    }

    static Bytes ctr(std::span<const u8> key, std::span<const u8> iv, std::span<const u8> in) {
        EVP_CIPHER_CTX* cipher = EVP_CIPHER_CTX_new();
        EVP_DecryptInit_ex(cipher, EVP_aes_128_ctr(), nullptr, key.data(), iv.data());
        Bytes out(in.size());
        int length = 0;
        EVP_DecryptUpdate(cipher, out.data(), &length, in.data(), static_cast<int>(in.size()));
        EVP_CIPHER_CTX_free(cipher);
        return out;
    }

  private:
    static Bytes kdf(std::span<const u8> key, const std::string& label, std::span<const u8> nonce) {
        Bytes message = {1, 0, 0, 0};
        message.insert(message.end(), label.begin(), label.end());
        message.push_back(0);
        message.insert(message.end(), nonce.begin(), nonce.end());
        for (const u8 byte : {u8{128}, u8{0}, u8{0}, u8{0}}) {
            message.push_back(byte);
        }
        const Digest256 digest = hmac_sha256(key, message);
        return {digest.begin(), digest.begin() + 16};
    }

    EC_KEY* key_;
};

constexpr u32 policy = 0x3701'0005;
} // namespace

TEST(SevSession, ThePlatformGetsTheKeys) {
    const Platform platform;
    const SevCertificate pdh = platform.pdh();
    const auto made          = make_session(bytes_of(pdh), policy);
    ASSERT_TRUE(made) << made.error();
    const auto keys = platform.start(made->godh, made->session, policy);
    ASSERT_TRUE(keys);
    EXPECT_EQ(keys->tek, made->keys.tek);
    EXPECT_EQ(keys->tik, made->keys.tik);
    EXPECT_FALSE(platform.start(made->godh, made->session, policy ^ 1));
    // Each byte of the session counts, and no other platform can read it.
    for (u64 at = 0; at < sizeof(SevSession); ++at) {
        SevSession changed = made->session;
        reinterpret_cast<u8*>(&changed)[at] ^= 1; // NOLINT: as bytes
        const auto other = platform.start(made->godh, changed, policy);
        EXPECT_FALSE(other && other->tek == keys->tek && other->tik == keys->tik) << at;
    }
    EXPECT_FALSE(Platform().start(made->godh, made->session, policy));
    // Fresh each time.
    const auto again = make_session(bytes_of(pdh), policy);
    EXPECT_NE(again->keys.tek, made->keys.tek);
    EXPECT_FALSE(std::ranges::equal(again->session.nonce, made->session.nonce));
}

/// Values of another implementation, the crate `sev` (src/session): keys, nonce, IV and secret
/// of zeros. The specification has none.
TEST(SevSession, WrapsAsOthersDo) {
    const auto made = wrap_session(Key128{}, {}, {}, {}, 0);
    EXPECT_EQ(to_hex(made.wrapped_keys),
              "2137bc7f9bb8bd7c3e55a576a15d3454b3856b8ba27afadf46dcfee9f02c02c4");
    EXPECT_EQ(to_hex(made.wrap_mac),
              "3176c0752738bd9d5e86689534020f528c088f16238826b000b327dee6aeed7d");
    EXPECT_EQ(to_hex(made.policy_mac),
              "aa7855e13839dd767cd5da7c1ff5036540c9264b7a803029315e55375287b4af");
    // And of a measurement that a platform of API 0.18 has made of an empty launch.
    const MeasureContext context{.tik = load<Key128>(from_hex("66320db73158a35a255d051758e95ed4")),
                                 .mnonce =
                                     load<Key128>(from_hex("4fbe0bedbad6c86ae8f68971d103e554")),
                                 .api_major = 0,
                                 .api_minor = 0x12,
                                 .build     = 0x0F,
                                 .policy    = 0};
    EXPECT_EQ(to_hex(launch_measure(context, sha256({}))),
              "6faab2daae389bcd3405a05d6cafe33c0414f7bedd0bae19ba5f38b7fd1664ea");
}

TEST(SevSession, RefusesOtherCertificates) {
    const SevCertificate good = Platform().pdh();
    const auto error_with     = [&](auto change) {
        SevCertificate changed = good;
        change(changed);
        const auto made = make_session(bytes_of(changed), policy);
        EXPECT_FALSE(made);
        return made ? "" : made.error();
    };
    using C = SevCertificate;
    EXPECT_TRUE(error_with([](C& c) { c.version = 2; }).starts_with("offset 0x0: found 0x2"));
    EXPECT_TRUE(error_with([](C& c) { c.usage = 0x1002; }).starts_with("offset 0x8: found 0x1002"));
    EXPECT_TRUE(error_with([](C& c) { c.curve = 1; }).starts_with("offset 0x10: found 0x1"));
    EXPECT_TRUE(error_with([](C& c) { c.qx[3] ^= 1; }).find("a point of") != std::string::npos);
    EXPECT_TRUE(error_with([](C& c) { c.qy[71] = 1; }).find("a point of") != std::string::npos);
    EXPECT_FALSE(make_session(Bytes(0x823), policy));
}

TEST(SevSession, SecretsReachOneLaunchAlone) {
    const Secret secrets[] = {
        {.guid = guid("736869e5-84f0-4973-92ec-06879ce3da0b"), .bytes = Bytes{1, 2, 3}},
        {.guid = guid("00000000-0000-0000-0000-000000000001"), .bytes = Bytes(40, 9)},
    };
    const auto table = secret_table(secrets);
    ASSERT_EQ(table.size() % 16, 0u);
    EXPECT_EQ(load<Guid>(table), guid("1e74f542-71dd-4d66-963e-ef4287ff173b"));
    EXPECT_EQ(load<u32>(table, 16), 20u + 23 + 60);
    EXPECT_EQ(load<u32>(table, 36), 23u);
    EXPECT_EQ(table[40], 1);
    EXPECT_EQ(load<Guid>(table, 43), secrets[1].guid);

    const TransportKeys keys{
        .tek = {1, 2, 3},
          .tik = {4, 5, 6}
    };
    const Digest256 measure   = {7, 8, 9};
    const SecretPacket packet = make_secret(keys, table, measure);
    EXPECT_EQ(Platform::ctr(keys.tek, packet.header.iv, packet.payload), table);
    Bytes message  = {1, 0, 0, 0, 0};
    const auto add = [&](std::span<const u8> bytes) {
        message.insert(message.end(), bytes.begin(), bytes.end());
    };
    add(packet.header.iv);
    const u32 size = static_cast<u32>(table.size());
    add(bytes_of(size));
    add(bytes_of(size));
    add(packet.payload);
    add(measure);
    EXPECT_TRUE(std::ranges::equal(hmac_sha256(keys.tik, message), packet.header.mac));
    message.back() ^= 1; // another launch
    EXPECT_FALSE(std::ranges::equal(hmac_sha256(keys.tik, message), packet.header.mac));
}

} // namespace vestibule::igvm::test
