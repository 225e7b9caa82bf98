// SPDX-License-Identifier: BSD-2-Clause-Patent
// See sev_session.h.
#include "igvm/measure/sev_session.h"

#include "igvm/format/reader.h"
#include "igvm/measure/ecdsa.h"
#include "igvm/measure/openssl.h"

#include <fmt/format.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/rand.h>

#include <algorithm>
#include <cstring>
#include <memory>
#include <string_view>

namespace vestibule::igvm {

namespace {
using Context = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Cipher  = std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>>;

constexpr u32 usage_pdh       = 0x1003;
constexpr u32 usage_none      = 0x1000;
constexpr u32 ecdh_sha256     = 0x0003;
constexpr int coordinate_size = 48;

void fill_random(std::span<u8> bytes) {
    must(RAND_bytes(bytes.data(), static_cast<int>(bytes.size())) == 1);
}

void append(std::vector<u8>& message, std::span<const u8> bytes) {
    message.insert(message.end(), bytes.begin(), bytes.end());
}

void append(std::vector<u8>& message, u32 value) {
    for (unsigned byte = 0; byte < sizeof(value); ++byte) {
        message.push_back(static_cast<u8>(value >> (8 * byte)));
    }
}

/// Section 2.1: NIST SP 800-108 in counter mode by HMAC-SHA-256, counter and length in 32 bits,
/// little-endian, as AMD's published firmware has it (AMD-ASPFW, sev_uapp, nist_kdf.c); one round
/// is enough for 128 bits.
Key128 derive(std::span<const u8> key, std::string_view label, std::span<const u8> context = {}) {
    std::vector<u8> message;
    append(message, u32{1});
    message.insert(message.end(), label.begin(), label.end());
    message.push_back(0);
    append(message, context);
    append(message, u32{8 * sizeof(Key128)});
    const Digest256 digest = hmac_sha256(key, message);
    return load<Key128>(digest);
}

std::vector<u8> aes_ctr(const Key128& key, std::span<const u8> iv, std::span<const u8> bytes) {
    const Cipher cipher(EVP_CIPHER_CTX_new());
    std::vector<u8> result(bytes.size());
    int length = 0;
    must(cipher != nullptr
         && EVP_EncryptInit_ex2(cipher.get(), EVP_aes_128_ctr(), key.data(), iv.data(), nullptr)
                == 1
         && EVP_EncryptUpdate(cipher.get(), result.data(), &length, bytes.data(),
                              static_cast<int>(bytes.size()))
                == 1);
    return result;
}

/// A certificate's key as the rest of the room has them.
SnpPublicKey key_of(const SevCertificate& certificate) {
    SnpPublicKey key{.curve = certificate.curve, .reserved = 0, .qx = {}, .qy = {}};
    std::ranges::copy(certificate.qx, key.qx);
    std::ranges::copy(certificate.qy, key.qy);
    return key;
}

std::vector<u8> agree(EVP_PKEY* own, EVP_PKEY* other) {
    const Context context(EVP_PKEY_CTX_new(own, nullptr));
    std::vector<u8> secret(coordinate_size);
    std::size_t size = secret.size();
    must(context != nullptr && EVP_PKEY_derive_init(context.get()) == 1
         && EVP_PKEY_derive_set_peer(context.get(), other) == 1
         && EVP_PKEY_derive(context.get(), secret.data(), &size) == 1 && size == secret.size());
    return secret;
}

} // namespace

SevSession wrap_session(std::span<const u8> secret, const Key128& nonce, const Key128& iv,
                        const TransportKeys& keys, u32 policy) {
    SevSession session{};
    std::ranges::copy(nonce, session.nonce);
    std::ranges::copy(iv, session.wrap_iv);
    const Key128 master = derive(secret, "sev-master-secret", nonce);
    std::vector<u8> both;
    append(both, keys.tek);
    append(both, keys.tik);
    std::ranges::copy(aes_ctr(derive(master, "sev-kek"), iv, both), session.wrapped_keys);
    std::ranges::copy(hmac_sha256(derive(master, "sev-kik"), session.wrapped_keys),
                      session.wrap_mac);
    std::vector<u8> policy_bytes;
    append(policy_bytes, policy);
    std::ranges::copy(hmac_sha256(keys.tik, policy_bytes), session.policy_mac);
    return session;
}

std::expected<NewSession, std::string> make_session(std::span<const u8> pdh, u32 policy) {
    if (pdh.size() != sizeof(SevCertificate)) {
        return std::unexpected(fmt::format("offset 0x0: found {:#x} bytes, expected the {:#x} of "
                                           "a PDH certificate",
                                           pdh.size(), sizeof(SevCertificate)));
    }
    const auto platform = load<SevCertificate>(pdh);
    const auto refuse   = [](u64 offset, u64 found, std::string_view expected) {
        return std::unexpected(
            fmt::format("offset {:#x}: found {:#x}, expected {}", offset, found, expected));
    };
    if (platform.version != 1) {
        return refuse(offsetof(SevCertificate, version), platform.version, "version 1");
    }
    if (platform.usage != usage_pdh) {
        return refuse(offsetof(SevCertificate, usage), platform.usage,
                      "0x1003, a platform's Diffie-Hellman key");
    }
    if (platform.curve != curve_p384) {
        return refuse(offsetof(SevCertificate, curve), platform.curve, "2, the curve P-384");
    }
    const OwnedKey other = p384_key(key_of(platform));
    if (other == nullptr) {
        return refuse(offsetof(SevCertificate, qx), platform.qx[0], "a point of the curve P-384");
    }
    const OwnedKey own(EVP_EC_gen("P-384"));
    must(own != nullptr);

    NewSession result{};
    result.godh.version          = 1;
    result.godh.usage            = usage_pdh;
    result.godh.algorithm        = ecdh_sha256;
    result.godh.curve            = curve_p384;
    result.godh.signature1_usage = usage_none;
    result.godh.signature2_usage = usage_none;
    const SnpPublicKey key       = public_key_of(own.get());
    std::ranges::copy(key.qx, result.godh.qx);
    std::ranges::copy(key.qy, result.godh.qy);

    Key128 nonce;
    Key128 iv;
    fill_random(nonce);
    fill_random(iv);
    fill_random(result.keys.tek);
    fill_random(result.keys.tik);
    result.session = wrap_session(agree(own.get(), other.get()), nonce, iv, result.keys, policy);
    return result;
}

std::vector<u8> secret_table(std::span<const Secret> secrets) {
    constexpr Guid table_guid = guid("1e74f542-71dd-4d66-963e-ef4287ff173b");
    constexpr u64 row         = sizeof(Guid) + sizeof(u32);
    u64 size                  = row;
    for (const Secret& secret : secrets) {
        size += row + secret.bytes.size();
    }
    std::vector<u8> table;
    append(table, table_guid);
    append(table, static_cast<u32>(size));
    for (const Secret& secret : secrets) {
        append(table, secret.guid);
        append(table, static_cast<u32>(row + secret.bytes.size()));
        append(table, secret.bytes);
    }
    table.resize((table.size() + sizeof(Key128) - 1) & ~(sizeof(Key128) - 1));
    return table;
}

SecretPacket make_secret(const TransportKeys& keys, std::span<const u8> table,
                         const Digest256& measure) {
    SecretPacket packet{};
    fill_random(packet.header.iv);
    packet.payload          = aes_ctr(keys.tek, packet.header.iv, table);
    const auto size         = static_cast<u32>(packet.payload.size());
    std::vector<u8> message = {0x01};
    append(message, packet.header.flags);
    append(message, packet.header.iv);
    append(message, size); // in the guest
    append(message, size); // on the way
    append(message, packet.payload);
    append(message, measure);
    std::ranges::copy(hmac_sha256(keys.tik, message), packet.header.mac);
    return packet;
}

} // namespace vestibule::igvm
