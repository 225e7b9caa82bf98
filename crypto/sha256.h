// SPDX-License-Identifier: BSD-2-Clause-Patent
// SHA-256 (FIPS 180-4, sections 4.1.2, 5 and 6.2), of what comes in pieces. Not for secrets:
// nothing here is constant in time but by chance.
#pragma once

#include "x86/types.h"

namespace vestibule::crypto {

class Sha256 {
  public:
    static constexpr u64 digest_size = 32;

    /// The next `size` bytes.
    void add(const u8* bytes, u64 size) {
        while (size != 0) {
            const u64 filled = length % block_size;
            if (filled == 0 && size >= block_size) {
                take_block(bytes);
                bytes += block_size;
                size -= block_size;
                length += block_size;
                continue;
            }
            block[filled] = *bytes++;
            --size;
            if (++length % block_size == 0) {
                take_block(block);
            }
        }
    }

    /// The digest of all that was added; nothing can be added behind.
    void finish(u8 (&digest)[digest_size]) {
        const u64 bits = length * 8;
        put(0x80);
        while (length % block_size != block_size - sizeof(bits)) {
            put(0);
        }
        for (int shift = 56; shift >= 0; shift -= 8) {
            put(static_cast<u8>(bits >> shift));
        }
        for (u64 n = 0; n < digest_size; ++n) {
            digest[n] = static_cast<u8>(state[n / 4] >> (24 - 8 * (n % 4)));
        }
    }

  private:
    static constexpr u64 block_size = 64;

    void put(u8 byte) { add(&byte, 1); }

    static constexpr u32 rotated(u32 word, unsigned by) { return word >> by | word << (32 - by); }

    void take_block(const u8* bytes) {
        u32 word[64];
        for (unsigned n = 0; n < 16; ++n) {
            const u8* const at = bytes + u64{4} * n;
            word[n]            = u32{at[0]} << 24 | u32{at[1]} << 16 | u32{at[2]} << 8 | at[3];
        }
        for (unsigned n = 16; n < 64; ++n) {
            const u32 early = word[n - 15];
            const u32 late  = word[n - 2];
            word[n]         = word[n - 16] + (rotated(early, 7) ^ rotated(early, 18) ^ early >> 3)
                      + word[n - 7] + (rotated(late, 17) ^ rotated(late, 19) ^ late >> 10);
        }
        u32 s[8];
        for (unsigned n = 0; n < 8; ++n) {
            s[n] = state[n];
        }
        for (unsigned n = 0; n < 64; ++n) {
            const u32 sum1   = rotated(s[4], 6) ^ rotated(s[4], 11) ^ rotated(s[4], 25);
            const u32 choice = (s[4] & s[5]) ^ (~s[4] & s[6]);
            const u32 first  = s[7] + sum1 + choice + constants[n] + word[n];
            const u32 sum0   = rotated(s[0], 2) ^ rotated(s[0], 13) ^ rotated(s[0], 22);
            const u32 major  = (s[0] & s[1]) ^ (s[0] & s[2]) ^ (s[1] & s[2]);
            for (unsigned to = 7; to > 0; --to) {
                s[to] = s[to - 1];
            }
            s[4] += first;
            s[0] = first + sum0 + major;
        }
        for (unsigned n = 0; n < 8; ++n) {
            state[n] += s[n];
        }
    }

    // clang-format off
    static constexpr u32 constants[64] = {
        0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
        0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
        0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
        0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
        0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
        0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
        0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
        0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
    };
    // clang-format on

    u32 state[8] = {0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
                    0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19};
    u8 block[block_size]{};
    u64 length = 0;
};

} // namespace vestibule::crypto
