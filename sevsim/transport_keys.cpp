// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/transport_keys.h"

#include "igvm/format/reader.h"
#include "igvm/measure/digest.h"
#include "igvm/measure/ecdsa.h"
#include "igvm/measure/openssl.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <string_view>

namespace vestibule::sevsim {

namespace {

using igvm::Digest256;
using igvm::Freed;
using igvm::Key128;
using igvm::OwnedKey;
using igvm::SevCertificate;

// SEV API specification, appendix C.
constexpr u32 certificate_version = 1;
constexpr u32 usage_pdh           = 0x1003;
constexpr u32 usage_none          = 0x1000;
constexpr u32 ecdh_sha256         = 3;

struct FileCloser {
    void operator()(std::FILE* file) const { std::fclose(file); }
};

using File = std::unique_ptr<std::FILE, FileCloser>;

std::unexpected<std::string> file_error(const std::string& path, std::string_view what) {
    return std::unexpected(fmt::format("{}: {}", path, what));
}

bool is_equal(std::span<const u8> one, std::span<const u8> other) {
    return one.size() == other.size() && CRYPTO_memcmp(one.data(), other.data(), one.size()) == 0;
}

/// A message, piece by piece, numbers little-endian.
class Message {
  public:
    Message& operator<<(std::span<const u8> bytes) {
        bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
        return *this;
    }

    Message& operator<<(u32 value) {
        for (unsigned shift = 0; shift < 32; shift += 8) {
            bytes_.push_back(static_cast<u8>(value >> shift));
        }
        return *this;
    }

    Message& operator<<(u8 byte) {
        bytes_.push_back(byte);
        return *this;
    }

    Digest256 mac(std::span<const u8> key) const { return igvm::hmac_sha256(key, bytes_); }

  private:
    std::vector<u8> bytes_;
};

/// Section 2.1: one round of NIST SP 800-108 in counter mode.
Key128 derived_key(std::span<const u8> from, std::string_view label, std::span<const u8> context) {
    constexpr u32 round = 1;
    constexpr u32 bits  = 128;
    Message message;
    message << round;
    message << std::span{reinterpret_cast<const u8*>(label.data()), label.size()};
    message << u8{0} << context << bits;
    const Digest256 digest = message.mac(from);
    Key128 key;
    std::ranges::copy(std::span{digest}.first(key.size()), key.begin());
    return key;
}

/// AES-128 in counter mode, in which encryption and decryption are one.
std::vector<u8> counter_mode(const Key128& key, std::span<const u8> iv, std::span<const u8> in) {
    const std::unique_ptr<EVP_CIPHER_CTX, Freed<EVP_CIPHER_CTX_free>> context{EVP_CIPHER_CTX_new()};
    std::vector<u8> out(in.size());
    int size = 0;
    igvm::must(
        context != nullptr
        && EVP_DecryptInit_ex2(context.get(), EVP_aes_128_ctr(), key.data(), iv.data(), nullptr)
               == 1
        && EVP_DecryptUpdate(context.get(), out.data(), &size, in.data(),
                             static_cast<int>(in.size()))
               == 1);
    return out;
}

/// What both sides have in common: the x coordinate.
std::vector<u8> agreed_secret(EVP_PKEY* own, EVP_PKEY* other) {
    const std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>> context{
        EVP_PKEY_CTX_new(own, nullptr)};
    std::vector<u8> secret(48);
    std::size_t size = secret.size();
    igvm::must(context != nullptr && EVP_PKEY_derive_init(context.get()) == 1
               && EVP_PKEY_derive_set_peer(context.get(), other) == 1
               && EVP_PKEY_derive(context.get(), secret.data(), &size) == 1
               && size == secret.size());
    return secret;
}

OwnedKey key_of(const SevCertificate& certificate) {
    igvm::SnpPublicKey key{.curve = certificate.curve, .reserved = 0, .qx = {}, .qy = {}};
    std::ranges::copy(certificate.qx, key.qx);
    std::ranges::copy(certificate.qy, key.qy);
    return certificate.curve == igvm::curve_p384 ? igvm::p384_key(key) : nullptr;
}

} // namespace

std::expected<void, std::string> write_pdh(const std::string& directory) {
    const OwnedKey key{EVP_EC_gen("P-384")};
    igvm::must(key != nullptr);
    const std::string key_path = directory + "/pdh.key";
    const File key_file{std::fopen(key_path.c_str(), "wxe")};
    if (!key_file) {
        return file_error(key_path, std::strerror(errno));
    }
    std::filesystem::permissions(key_path, std::filesystem::perms::owner_read
                                               | std::filesystem::perms::owner_write);
    if (PEM_write_PrivateKey(key_file.get(), key.get(), nullptr, nullptr, 0, nullptr, nullptr)
        != 1) {
        return file_error(key_path, "the key could not be written");
    }
    SevCertificate certificate{};
    certificate.version          = certificate_version;
    certificate.api_major        = sev_api_major;
    certificate.api_minor        = sev_api_minor;
    certificate.usage            = usage_pdh;
    certificate.algorithm        = ecdh_sha256;
    certificate.curve            = igvm::curve_p384;
    certificate.signature1_usage = usage_none; // no PEK of AMD's is behind it
    certificate.signature2_usage = usage_none;
    const auto point             = igvm::public_key_of(key.get());
    std::ranges::copy(point.qx, certificate.qx);
    std::ranges::copy(point.qy, certificate.qy);
    const std::string path = directory + "/pdh.cert";
    const File file{std::fopen(path.c_str(), "wxe")};
    if (!file) {
        return file_error(path, std::strerror(errno));
    }
    if (std::fwrite(&certificate, sizeof certificate, 1, file.get()) != 1) {
        return file_error(path, "the certificate could not be written");
    }
    return {};
}

std::expected<igvm::TransportKeys, std::string> start_session(const std::string& directory,
                                                              const SevCertificate& godh,
                                                              const igvm::SevSession& session,
                                                              u32 policy) {
    const std::string path = directory + "/pdh.key";
    const File file{std::fopen(path.c_str(), "re")};
    if (!file) {
        return file_error(path,
                          fmt::format("{} (`sevsim certs DIR` makes one)", std::strerror(errno)));
    }
    const OwnedKey own{PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr)};
    if (own == nullptr || !igvm::is_p384(own.get())) {
        return file_error(path, "expected a private key of P-384 in PEM");
    }
    if (godh.version != certificate_version || godh.usage != usage_pdh
        || godh.algorithm != ecdh_sha256) {
        return std::unexpected("LAUNCH_START refuses the owner's certificate "
                               "(INVALID_CERTIFICATE): expected version 1, usage 0x1003 and "
                               "algorithm 3, a Diffie-Hellman key");
    }
    const OwnedKey other = key_of(godh);
    if (other == nullptr) {
        return std::unexpected("LAUNCH_START refuses the owner's certificate "
                               "(INVALID_CERTIFICATE): its key is no point of the curve P-384");
    }
    const Key128 master =
        derived_key(agreed_secret(own.get(), other.get()), "sev-master-secret", session.nonce);
    const Key128 wraps   = derived_key(master, "sev-kek", {});
    const Key128 vouches = derived_key(master, "sev-kik", {});
    if (!is_equal(igvm::hmac_sha256(vouches, session.wrapped_keys), session.wrap_mac)) {
        return std::unexpected("LAUNCH_START refuses the session (BAD_MEASUREMENT): its keys were "
                               "not wrapped for this platform's pdh.cert, or are damaged");
    }
    const std::vector<u8> both = counter_mode(wraps, session.wrap_iv, session.wrapped_keys);
    igvm::TransportKeys keys{};
    std::ranges::copy(std::span{both}.first(keys.tek.size()), keys.tek.begin());
    std::ranges::copy(std::span{both}.last(keys.tik.size()), keys.tik.begin());
    Message own_policy;
    own_policy << policy;
    if (!is_equal(own_policy.mac(keys.tik), session.policy_mac)) {
        return std::unexpected(fmt::format("LAUNCH_START refuses the session (POLICY_FAILURE): it "
                                           "was made for another policy than {:#x} "
                                           "(see --sev-policy)",
                                           policy));
    }
    return keys;
}

std::optional<std::vector<u8>> open_secret(const igvm::TransportKeys& keys,
                                           const igvm::SecretHeader& header,
                                           std::span<const u8> payload, const Digest256& measure) {
    constexpr u8 launch_secret = 0x01;
    const auto size            = static_cast<u32>(payload.size());
    Message message;
    message << launch_secret << header.flags << std::span{header.iv} << size << size << payload
            << std::span{measure};
    if (!is_equal(message.mac(keys.tik), header.mac)) {
        return std::nullopt;
    }
    return counter_mode(keys.tek, header.iv, payload);
}

} // namespace vestibule::sevsim
