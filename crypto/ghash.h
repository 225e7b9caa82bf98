// SPDX-License-Identifier: BSD-2-Clause-Patent
// GHASH (NIST SP 800-38D, section 6): what GCM's tag is computed by, a sum of products in
// GF(2^128).
//
// SECURITY: in constant time without PCLMULQDQ, for the reasons that crypto/aes256.h has: products
// of polynomials are made by the multiplier of integers, whose time does not depend on its operands
// on any processor with SEV.
#pragma once

#include "crypto/bytes.h"

namespace vestibule::crypto {

namespace detail {

/// The lower half of the product of two polynomials over GF(2), bit n being the coefficient of x^n.
///
/// Of each operand only every fourth bit is multiplied at a time: so many ones meet in one place of
/// the integers' product that their count, whose lowest bit is the coefficient, fits into the three
/// places above, which are free. In the highest place sixteen may meet; their carry leaves the
/// word.
constexpr u64 low_product(u64 left, u64 right) {
    constexpr u64 fourth = 0x1111'1111'1111'1111;
    u64 product          = 0;
#pragma clang loop unroll(full)
    for (unsigned place = 0; place < 4; ++place) {
        u64 sum = 0;
#pragma clang loop unroll(full)
        for (unsigned n = 0; n < 4; ++n) {
            sum ^= (left & (fourth << n)) * (right & (fourth << ((place - n) & 3)));
        }
        product |= sum & (fourth << place);
    }
    return product;
}

constexpr u64 reverse_bits(u64 value) { return __builtin_bitreverse64(value); }

struct Product {
    u64 high;
    u64 low;
};

/// All of the product. Read backwards, the upper half is the lower one.
constexpr Product product_of(u64 left, u64 right) {
    return {.high = reverse_bits(low_product(reverse_bits(left), reverse_bits(right))) >> 1,
            .low  = low_product(left, right)};
}

} // namespace detail

class Ghash {
  public:
    static constexpr u64 block_size = 16;

    /// The hash key, which is the encryption of zero. An object is used again by another set_key().
    void set_key(const u8* key) {
        key_high = load_big64(key);
        key_low  = load_big64(key + 8);
        clear();
    }

    void clear() { high = low = 0; }

    /// Data, filled up with zeros to whole blocks (section 7.1).
    void add(Bytes data) {
        while (data.size != 0) {
            const u64 count = data.size < block_size ? data.size : block_size;
            u8 block[block_size];
            for (u64 n = 0; n < block_size; ++n) {
                block[n] = n < count ? data.data[n] : u8{0};
            }
            add_block(load_big64(block), load_big64(block + 8));
            data = {data.data + count, data.size - count};
        }
    }

    void add_block(u64 block_high, u64 block_low) {
        high ^= block_high;
        low ^= block_low;
        multiply();
    }

    void finish(u8* hash) const {
        store_big64(hash, high);
        store_big64(hash + 8, low);
    }

  private:
    /// The sum times the key. GHASH's bits are numbered from the highest of the first byte on
    /// (section 6.3), so the words here read backwards: their product does too, one place too low.
    [[gnu::noinline]] void multiply() {
        using detail::Product;
        const Product highs = detail::product_of(high, key_high);
        const Product lows  = detail::product_of(low, key_low);
        Product middle      = detail::product_of(high ^ low, key_high ^ key_low);
        middle.high ^= highs.high ^ lows.high;
        middle.low ^= highs.low ^ lows.low;
        const u64 word0 = lows.low;
        const u64 word1 = lows.high ^ middle.low;
        const u64 word2 = highs.low ^ middle.high;
        const u64 word3 = highs.high;
        // x^0 to x^63 in the first, backwards.
        u64 first  = word3 << 1 | word2 >> 63;
        u64 second = word2 << 1 | word1 >> 63;
        u64 third  = word1 << 1 | word0 >> 63;
        u64 fourth = word0 << 1;
        // x^128 is x^7 + x^2 + x + 1. Times x is one place to the right.
        third ^= fourth << 63 ^ fourth << 62 ^ fourth << 57;
        second ^= fourth ^ fourth >> 1 ^ fourth >> 2 ^ fourth >> 7;
        second ^= third << 63 ^ third << 62 ^ third << 57;
        first ^= third ^ third >> 1 ^ third >> 2 ^ third >> 7;
        high = first;
        low  = second;
    }

    u64 key_high;
    u64 key_low;
    u64 high;
    u64 low;
};

} // namespace vestibule::crypto
