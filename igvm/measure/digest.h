// SPDX-License-Identifier: BSD-2-Clause-Patent
// SHA-256, SHA-384, SHA-512 and HMAC by OpenSSL's libcrypto, as values. Algorithms are fetched once
// and contexts reused: a launch digest is many short messages.
#pragma once

#include "igvm/format/hex.h"
#include "x86/types.h"

#include <array>
#include <span>

using EVP_MD_CTX = struct evp_md_ctx_st;

namespace vestibule::igvm {

using Digest256 = std::array<u8, 32>;
using Digest384 = std::array<u8, 48>;
using Digest512 = std::array<u8, 64>;

enum class HashAlgorithm : u8 { sha256, sha384 };

/// A hash over pieces. A copy goes on from where the original stands.
class Hasher {
  public:
    explicit Hasher(HashAlgorithm algorithm);
    Hasher(const Hasher& other);
    Hasher(Hasher&& other) noexcept;
    Hasher& operator=(const Hasher& other);
    Hasher& operator=(Hasher&& other) noexcept;
    ~Hasher();

    void restart();
    void add(std::span<const u8> bytes);

    /// Only restart(), assignment and destruction may follow.
    void finish(std::span<u8> digest);

  private:
    HashAlgorithm algorithm_;
    EVP_MD_CTX* context_;
};

Digest256 sha256(std::span<const u8> bytes);
Digest384 sha384(std::span<const u8> bytes);
Digest512 sha512(std::span<const u8> bytes);
Digest256 hmac_sha256(std::span<const u8> key, std::span<const u8> message);

} // namespace vestibule::igvm
