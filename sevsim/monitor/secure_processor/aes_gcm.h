// SPDX-License-Identifier: BSD-2-Clause-Patent
// AES-256-GCM (FIPS 197, NIST SP 800-38D): how messages between a guest and the secure processor
// are encrypted.
#pragma once

#include "x86/types.h"

#include <span>

namespace vestibule::sevsim {

inline constexpr u64 gcm_tag_size = 16;

/// One message: the nonce of 96 bits and what is authenticated beside the text.
struct GcmMessage {
    const u8* nonce; // 12 bytes
    std::span<const u8> authenticated;
};

class AesGcm {
  public:
    /// A key of 32 bytes.
    explicit AesGcm(const u8* key);

    /// `to` has room for `from.size()` bytes.
    void encrypt(const GcmMessage& message, std::span<const u8> from, u8* to, u8* tag) const;

    /// False where the tag is another than the message's; `to` then holds nothing to be used.
    bool decrypt(const GcmMessage& message, std::span<const u8> from, u8* to, const u8* tag) const;

  private:
    struct Block {
        u8 bytes[16];
    };

    Block encrypt_block(const Block& from) const;
    void apply_key_stream(const u8* nonce, std::span<const u8> from, u8* to) const;
    Block tag_of(const GcmMessage& message, std::span<const u8> ciphertext) const;
    void absorb(Block& hash, std::span<const u8> data) const;
    Block multiply(const Block& factor) const;

    u8 round_keys_[15][16]{};
    Block hash_key_{};
};

} // namespace vestibule::sevsim
