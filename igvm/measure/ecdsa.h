// SPDX-License-Identifier: BSD-2-Clause-Patent
// ECDSA on P-384 with SHA-384, the only signature that SNP's firmware knows, by OpenSSL; numbers as
// the firmware has them: little-endian, 72 bytes (SEV-SNP firmware ABI, chapter 10).
#pragma once

#include "igvm/format/format.h"

#include <expected>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

using EVP_PKEY = struct evp_pkey_st;

namespace vestibule::igvm {

inline constexpr u32 ecdsa_p384_sha384 = 1; // as algorithm of an ID block's key
inline constexpr u32 curve_p384        = 2;

class PrivateKey {
  public:
    /// A PEM file; an error names it.
    static std::expected<PrivateKey, std::string> read(const std::string& path);

    /// A fresh one, for what nobody has to recognise later.
    static PrivateKey make();

    [[nodiscard]] SnpPublicKey public_key() const;
    [[nodiscard]] SnpSignature sign(std::span<const u8> message) const;

  private:
    struct Free {
        void operator()(EVP_PKEY* key) const;
    };

    explicit PrivateKey(EVP_PKEY* key) : key_(key) {}

    std::unique_ptr<EVP_PKEY, Free> key_;
};

/// The public key of a PEM file, where the private one stays in a security module.
std::expected<SnpPublicKey, std::string> read_public_key(const std::string& path);

/// As modules and openssl give it: in DER, or R and S of 48 bytes each, the first byte first. None
/// where it is neither.
std::optional<SnpSignature> read_signature(std::span<const u8> bytes);

/// In DER, as OpenSSL reads and writes signatures.
std::vector<u8> der_of(const SnpSignature& signature);

/// False as well for a key that is no point of the curve.
bool is_signed(const SnpPublicKey& key, const SnpSignature& signature, std::span<const u8> message);

} // namespace vestibule::igvm
