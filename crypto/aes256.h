// SPDX-License-Identifier: BSD-2-Clause-Patent
// AES with a key of 256 bits (FIPS 197), four blocks at a time and encryption only, which is all
// that GCM takes.
//
// SECURITY: in constant time and by general registers alone. The instructions for AES are not used
// although processors with SEV have them: who calls may be a #VC or NMI handler, or a kernel that
// switches the FPU lazily, and then vector registers are somebody else's, CR0.TS may be set, and an
// XSAVE area would have to be found for what is to be put back; and whether they are there would be
// the hypervisor's word wherever no measured CPUID page is. What they would buy is time alone, and
// little of it is ever asked for: messages have 4,000 bytes at most, and a report is some hundred
// thousand instructions here (docs/budgets.md), once in a while.
#pragma once

#include "crypto/aes_field.h"
#include "crypto/bytes.h"

namespace vestibule::crypto {

inline constexpr u64 aes_block_size = 16;

namespace detail {

/// Turns an 8 x 8 matrix of bits, a byte a row: swaps quarters, then quarters of those, then bits.
constexpr u64 transpose_bits(u64 rows) {
    constexpr u64 quarters = 0x0000'0000'F0F0'F0F0;
    constexpr u64 pairs    = 0x0000'CCCC'0000'CCCC;
    constexpr u64 singles  = 0x00AA'00AA'00AA'00AA;
    const auto swap        = [&rows](u64 mask, unsigned distance) {
        const u64 differ = (rows ^ (rows >> distance)) & mask;
        rows ^= differ ^ (differ << distance);
    };
    swap(quarters, 28);
    swap(pairs, 14);
    swap(singles, 7);
    return rows;
}

/// 64 bytes into planes: bit n of byte p is bit p of plane n.
inline void to_planes(const u8* bytes, Planes& planes) {
    for (u64& plane : planes.bits) {
        plane = 0;
    }
    for (unsigned part = 0; part < 8; ++part) {
        const u64 turned = transpose_bits(load_little64(bytes + u64{part} * 8));
        for (unsigned n = 0; n < 8; ++n) {
            planes.bits[n] |= (turned >> (8 * n) & 0xFF) << (8 * part);
        }
    }
}

inline void from_planes(const Planes& planes, u8* bytes) {
    for (unsigned part = 0; part < 8; ++part) {
        u64 turned = 0;
        for (unsigned n = 0; n < 8; ++n) {
            turned |= (planes.bits[n] >> (8 * part) & 0xFF) << (8 * n);
        }
        store_little64(bytes + u64{part} * 8, transpose_bits(turned));
    }
}

/// A block is four columns of four bytes, so a plane has a column in four bits and a block in 16.
/// ShiftRows (section 5.1.2): row r goes r columns to the left, within its block.
constexpr u64 shift_rows(u64 plane) {
    constexpr u64 row   = 0x1111'1111'1111'1111;
    constexpr u64 all   = 0xFFFF'FFFF'FFFF'FFFF;
    constexpr u64 block = 0x0001'0001'0001'0001;
    u64 shifted         = plane & row;
#pragma clang loop unroll(full)
    for (unsigned r = 1; r < 4; ++r) {
        const unsigned by = 4 * r;
        const u64 stays   = block * ((1u << (16 - by)) - 1); // what does not come round
        const u64 moved   = ((plane >> by) & stays) | ((plane << (16 - by)) & (all ^ stays));
        shifted |= moved & (row << r);
    }
    return shifted;
}

/// Each column turned, so that row r has what row r + `by` had.
template <unsigned by>
constexpr u64 turn_columns(u64 plane) {
    constexpr u64 column = 0x1111'1111'1111'1111;
    constexpr u64 stays  = column * ((1u << (4 - by)) - 1);
    return ((plane >> by) & stays) | ((plane << (4 - by)) & ~stays);
}

/// MixColumns (section 5.1.3): 2 a + 3 b + c + d, with b, c, d the bytes below a. That is twice
/// a + b, and b, and a + b of the two below.
[[gnu::always_inline]] inline void mix_columns(Planes& state) {
    Planes sums;
    for (unsigned n = 0; n < 8; ++n) {
        const u64 below = turn_columns<1>(state.bits[n]);
        sums.bits[n]    = state.bits[n] ^ below;
        state.bits[n]   = below ^ turn_columns<2>(sums.bits[n]);
    }
    // Times x: a bit higher, and the highest is x^4 + x^3 + x + 1.
    const u64 carry = sums.bits[7];
    for (unsigned n = 7; n > 0; --n) {
        state.bits[n] ^= sums.bits[n - 1];
    }
    state.bits[0] ^= carry;
    state.bits[1] ^= carry;
    state.bits[3] ^= carry;
    state.bits[4] ^= carry;
}

} // namespace detail

class Aes256 {
  public:
    static constexpr u64 key_size       = 32;
    static constexpr u64 blocks_at_once = 4;
    static constexpr u64 bytes_at_once  = blocks_at_once * aes_block_size;

    /// The key schedule (section 5.2).
    [[gnu::noinline]] void set_key(const u8* key) {
        constexpr unsigned key_words = key_size / 4;
        u8 words[(rounds + 1) * aes_block_size];
        for (unsigned n = 0; n < key_size; ++n) {
            words[n] = key[n];
        }
        u8 round_constant = 1; // of seven, none of which is reduced
        for (unsigned n = key_words; n < (rounds + 1) * 4; ++n) {
            const u8* before = words + u64{n - 1} * 4;
            u8 word[4]       = {before[0], before[1], before[2], before[3]};
            if (n % key_words == 0) {
                const u8 first = word[0];
                word[0]        = word[1];
                word[1]        = word[2];
                word[2]        = word[3];
                word[3]        = first;
            }
            if (n % 4 == 0) { // twice in a key's length
                substitute(word);
            }
            if (n % key_words == 0) {
                word[0]        = static_cast<u8>(word[0] ^ round_constant);
                round_constant = static_cast<u8>(round_constant << 1);
            }
            for (unsigned byte = 0; byte < 4; ++byte) {
                words[n * 4 + byte] =
                    static_cast<u8>(words[(n - key_words) * 4 + byte] ^ word[byte]);
            }
        }
        u8 repeated[bytes_at_once];
        for (unsigned round = 0; round <= rounds; ++round) {
            for (unsigned n = 0; n < bytes_at_once; ++n) {
                repeated[n] = words[round * aes_block_size + n % aes_block_size];
            }
            detail::to_planes(repeated, round_keys[round]);
        }
        wipe(words, sizeof words);
        wipe(repeated, sizeof repeated);
    }

    /// Encrypts four blocks where they are (section 5.1).
    [[gnu::noinline]] void encrypt(u8* blocks) const {
        Planes state;
        detail::to_planes(blocks, state);
        add(state, round_keys[0]);
        for (unsigned round = 1;; ++round) {
            state = sub_bytes(state);
            for (u64& plane : state.bits) {
                plane = detail::shift_rows(plane);
            }
            if (round == rounds) {
                break;
            }
            detail::mix_columns(state);
            add(state, round_keys[round]);
        }
        add(state, round_keys[rounds]);
        detail::from_planes(state, blocks);
    }

  private:
    static constexpr unsigned rounds = 14;

    static void add(Planes& state, const Planes& key) {
        for (unsigned n = 0; n < 8; ++n) {
            state.bits[n] ^= key.bits[n];
        }
    }

    static void substitute(u8 (&word)[4]) {
        u8 bytes[bytes_at_once]; // 60 of them nobody looks at
        for (unsigned n = 0; n < bytes_at_once; ++n) {
            bytes[n] = word[n % 4];
        }
        Planes planes;
        detail::to_planes(bytes, planes);
        planes = sub_bytes(planes);
        detail::from_planes(planes, bytes);
        for (unsigned n = 0; n < 4; ++n) {
            word[n] = bytes[n];
        }
        wipe(bytes, sizeof bytes);
    }

    Planes round_keys[rounds + 1];
};

} // namespace vestibule::crypto
