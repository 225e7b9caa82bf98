// SPDX-License-Identifier: BSD-2-Clause-Patent
// The field of AES, GF(2^8), as a tower of extensions by two (GF(4), GF(16), GF(256)): there the
// inverse of SubBytes (FIPS 197, section 5.1.1) is a few dozen ANDs and XORs. An element is eight
// words, a word has one bit of each of 64 elements, and nothing is looked up: a table's cache lines
// would tell the hypervisor, which shares them, what was looked up.
//
// Neither the matrices between this basis and the standard's nor a table is written down: the
// compiler computes them from the two definitions, so no digit can be wrong.
#pragma once

#include "x86/types.h"

namespace vestibule::crypto {

/// high w + low, where w^2 = w + 1.
struct Gf4 {
    u64 high;
    u64 low;

    constexpr Gf4 operator+(Gf4 other) const { return {high ^ other.high, low ^ other.low}; }

    constexpr Gf4 operator*(Gf4 other) const {
        const u64 lows = low & other.low;
        return {((high ^ low) & (other.high ^ other.low)) ^ lows, (high & other.high) ^ lows};
    }

    /// Also the inverse, since x^3 = 1; and of 0, for which SubBytes wants 0.
    constexpr Gf4 squared() const { return {high, high ^ low}; }

    constexpr Gf4 times_w() const { return {high ^ low, high}; }
};

/// high v + low, where v^2 = v + w: irreducible, since w + w^2 = 1 is not zero.
struct Gf16 {
    Gf4 high;
    Gf4 low;

    constexpr Gf16 operator+(Gf16 other) const { return {high + other.high, low + other.low}; }

    constexpr Gf16 operator*(Gf16 other) const {
        const Gf4 lows = low * other.low;
        return {(high + low) * (other.high + other.low) + lows,
                (high * other.high).times_w() + lows};
    }

    constexpr Gf16 squared() const {
        return {high.squared(), high.squared().times_w() + low.squared()};
    }

    /// By the conjugate, high v + high + low: times the element it is the norm, which lies in
    /// GF(4).
    constexpr Gf16 inverse() const {
        const Gf4 sum  = high + low;
        const Gf4 norm = high.squared().times_w() + low * sum;
        return {high * norm.squared(), sum * norm.squared()};
    }

    /// Times w v, the constant of the next extension.
    constexpr Gf16 times_wv() const { return {(high + low).times_w(), high.times_w().times_w()}; }
};

/// high u + low, where u^2 = u + w v: irreducible, since the trace of w v is not zero.
struct Gf256 {
    Gf16 high;
    Gf16 low;

    constexpr Gf256 operator*(Gf256 other) const {
        const Gf16 lows = low * other.low;
        return {(high + low) * (other.high + other.low) + lows,
                (high * other.high).times_wv() + lows};
    }

    constexpr Gf256 inverse() const {
        const Gf16 sum     = high + low;
        const Gf16 inverse = (high.squared().times_wv() + low * sum).inverse();
        return {high * inverse, sum * inverse};
    }
};

/// One bit of each of 64 bytes in a word, by the bit's number: how AES is computed here.
struct Planes {
    u64 bits[8];
};

constexpr Gf256 in_tower(const Planes& planes) {
    const u64* bits = planes.bits;
    return {
        {{bits[7], bits[6]}, {bits[5], bits[4]}},
        {{bits[3], bits[2]}, {bits[1], bits[0]}}
    };
}

constexpr Planes in_planes(const Gf256& element) {
    return {
        {element.low.low.low, element.low.low.high, element.low.high.low, element.low.high.high,
         element.high.low.low, element.high.low.high, element.high.high.low,
         element.high.high.high}
    };
}

namespace detail {

/// A single element, in the words' lowest bits, and back.
constexpr Planes spread(u8 byte) {
    Planes planes{};
    for (unsigned n = 0; n < 8; ++n) {
        planes.bits[n] = (byte >> n) & 1;
    }
    return planes;
}

constexpr u8 gather(const Planes& planes) {
    unsigned byte = 0;
    for (unsigned n = 0; n < 8; ++n) {
        byte |= static_cast<unsigned>(planes.bits[n] & 1) << n;
    }
    return static_cast<u8>(byte);
}

constexpr u8 tower_product(u8 left, u8 right) {
    return gather(in_planes(in_tower(spread(left)) * in_tower(spread(right))));
}

} // namespace detail

/// A linear map of bytes: row n has a one for each bit of the source that is summed up in bit n.
struct BitMatrix {
    u8 rows[8]{};

    constexpr void set_column(unsigned column, u8 image) {
        for (unsigned row = 0; row < 8; ++row) {
            rows[row] = static_cast<u8>(rows[row] | (((image >> row) & 1) << column));
        }
    }

    constexpr u8 of(u8 source) const {
        unsigned image = 0;
        for (unsigned row = 0; row < 8; ++row) {
            image |= (static_cast<unsigned>(__builtin_popcount(source & rows[row])) & 1) << row;
        }
        return static_cast<u8>(image);
    }

    /// The matrix is known when this is compiled, and the planes are not: XORs are what is left.
    [[gnu::always_inline]] constexpr Planes of(const Planes& source) const {
        Planes image{};
#pragma clang loop unroll(full)
        for (unsigned row = 0; row < 8; ++row) {
#pragma clang loop unroll(full)
            for (unsigned column = 0; column < 8; ++column) {
                if ((rows[row] >> column & 1) != 0) {
                    image.bits[row] ^= source.bits[column];
                }
            }
        }
        return image;
    }
};

namespace detail {

/// Where AES's x goes: to an element of the tower for which x^8 + x^4 + x^3 + x + 1 is zero, of
/// which there are eight, and which of them does not matter.
constexpr BitMatrix find_way_into_tower() {
    for (unsigned candidate = 2; candidate < 256; ++candidate) {
        const u8 x = static_cast<u8>(candidate);
        u8 powers[9]{1};
        for (unsigned n = 1; n < 9; ++n) {
            powers[n] = tower_product(powers[n - 1], x);
        }
        if ((powers[8] ^ powers[4] ^ powers[3] ^ powers[1] ^ powers[0]) == 0) {
            BitMatrix matrix;
            for (unsigned n = 0; n < 8; ++n) {
                matrix.set_column(n, powers[n]);
            }
            return matrix;
        }
    }
    return {}; // which the check of SubBytes would tell
}

/// Out of the tower, and through the affine map of SubBytes but for its constant.
constexpr BitMatrix find_way_out(const BitMatrix& way_in) {
    BitMatrix matrix;
    for (unsigned byte = 0; byte < 256; ++byte) {
        const u8 image = way_in.of(static_cast<u8>(byte));
        for (unsigned n = 0; n < 8; ++n) {
            if (image == 1u << n) {
                unsigned mapped = 0;
                for (unsigned turn = 0; turn < 5; ++turn) {
                    mapped ^= (byte << turn) | (byte >> (8 - turn));
                }
                matrix.set_column(n, static_cast<u8>(mapped));
            }
        }
    }
    return matrix;
}

inline constexpr BitMatrix into_tower   = find_way_into_tower();
inline constexpr BitMatrix out_of_tower = find_way_out(into_tower);
inline constexpr u8 sub_bytes_constant  = 0x63;

} // namespace detail

/// SubBytes of 64 bytes.
constexpr Planes sub_bytes(const Planes& from) {
    constexpr BitMatrix in  = detail::into_tower;
    constexpr BitMatrix out = detail::out_of_tower;
    Planes to               = out.of(in_planes(in_tower(in.of(from)).inverse()));
#pragma clang loop unroll(full)
    for (unsigned n = 0; n < 8; ++n) {
        if ((detail::sub_bytes_constant >> n & 1) != 0) {
            to.bits[n] = ~to.bits[n];
        }
    }
    return to;
}

// The standard's example (section 5.1.1), and both of 0.
static_assert(detail::gather(sub_bytes(detail::spread(0x53))) == 0xED);
static_assert(detail::gather(sub_bytes(detail::spread(0x00))) == 0x63);

} // namespace vestibule::crypto
