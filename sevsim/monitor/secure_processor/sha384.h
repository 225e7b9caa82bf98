// SHA-384 and HMAC with it (FIPS 180-4, FIPS 198-1), for what the secure processor signs and
// derives.
#pragma once

#include "x86/types.h"

#include <span>

namespace vestibule::sevsim {

struct Digest384 {
    u8 bytes[48];
};

class Sha384 {
  public:
    Sha384();

    void add(std::span<const u8> bytes);

    /// Only destruction may follow.
    Digest384 finish();

  private:
    void compress();

    u64 state_[8];
    u8 block_[128];
    u64 size_ = 0; // of all that was added
};

Digest384 sha384(std::span<const u8> bytes);

/// The key is no longer than a block, 128 bytes; the message is the pieces, one after another.
Digest384 hmac_sha384(std::span<const u8> key, std::span<const std::span<const u8>> pieces);

} // namespace vestibule::sevsim
