// SPDX-License-Identifier: BSD-2-Clause-Patent
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
    void add(std::span<const u8> bytes);

    /// Only destruction may follow.
    Digest384 finish();

  private:
    void compress();

    // FIPS 180-4, section 5.3.4.
    u64 state_[8] = {0xCBBB'9D5D'C105'9ED8, 0x629A'292A'367C'D507, 0x9159'015A'3070'DD17,
                     0x152F'ECD8'F70E'5939, 0x6733'2667'FFC0'0B31, 0x8EB4'4A87'6858'1511,
                     0xDB0C'2E0D'64F9'8FA7, 0x47B5'481D'BEFA'4FA4};
    u8 block_[128]{};
    u64 size_ = 0; // of all that was added
};

Digest384 sha384(std::span<const u8> bytes);

/// The key is no longer than a block, 128 bytes; the message is the pieces, one after another.
Digest384 hmac_sha384(std::span<const u8> key, std::span<const std::span<const u8>> pieces);

} // namespace vestibule::sevsim
