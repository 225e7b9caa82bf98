// SPDX-License-Identifier: BSD-2-Clause-Patent
// SHA-512 (FIPS 180-4, sections 4.1.3, 4.2.3, 5.3.5 and 6.4) for the tests' service, of messages
// that lie in one piece in memory. Its constants, fractions of roots of primes, are worked out when
// it is compiled.
#pragma once

#include "x86/types.h"

namespace vestibule::snp_guest {

namespace sha512_detail {

inline constexpr unsigned rounds = 80;

/// The first 64 bits behind the point of the square root or the cube root of a small number: the
/// largest x of which (x / 2^64)^power is no more than it, found bit by bit.
constexpr u64 fraction_of_root(u64 number, unsigned power) {
    // 128 bits hold no cube of 67 bits, so it is worked out in limbs of 32.
    constexpr unsigned limbs = 8;

    struct Wide {
        u64 limb[limbs] = {};
    };

    const auto product = [](const Wide& a, const Wide& b) {
        Wide result;
        for (unsigned i = 0; i < limbs; ++i) {
            u64 carry = 0;
            for (unsigned j = 0; i + j < limbs; ++j) {
                const u64 sum      = a.limb[i] * b.limb[j] + result.limb[i + j] + carry;
                result.limb[i + j] = sum & 0xFFFF'FFFF;
                carry              = sum >> 32;
            }
        }
        return result;
    };
    const auto is_at_most = [&](const Wide& x) {
        Wide raised = product(x, x);
        if (power == 3) {
            raised = product(raised, x);
        }
        Wide bound; // number * 2^(64 * power)
        bound.limb[2 * power] = number;
        for (unsigned n = limbs; n-- > 0;) {
            if (raised.limb[n] != bound.limb[n]) {
                return raised.limb[n] < bound.limb[n];
            }
        }
        return true;
    };
    Wide root;
    for (unsigned position = 64 + 5; position-- > 0;) { // up to sqrt(409) < 32
        Wide tried = root;
        tried.limb[position / 32] |= u64{1} << (position % 32);
        root = is_at_most(tried) ? tried : root;
    }
    return root.limb[1] << 32 | root.limb[0];
}

struct Constants {
    u64 round[rounds] = {};
    u64 start[8]      = {};
};

constexpr Constants make_constants() {
    Constants constants;
    unsigned count = 0;
    for (u64 number = 2; count < rounds; ++number) {
        bool is_prime = true;
        for (u64 divisor = 2; divisor * divisor <= number; ++divisor) {
            is_prime = is_prime && number % divisor != 0;
        }
        if (is_prime) {
            if (count < 8) {
                constants.start[count] = fraction_of_root(number, 2);
            }
            constants.round[count] = fraction_of_root(number, 3);
            ++count;
        }
    }
    return constants;
}

inline constexpr Constants constants = make_constants();
static_assert(constants.start[0] == 0x6A09'E667'F3BC'C908);
static_assert(constants.round[79] == 0x6C44'198C'4A47'5817);

constexpr u64 rotate(u64 value, unsigned by) { return value >> by | value << (64 - by); }

inline void compress(u64 (&state)[8], const u8* block) {
    u64 w[rounds];
    for (unsigned n = 0; n < 16; ++n) {
        w[n] = 0;
        for (unsigned byte = 0; byte < 8; ++byte) {
            w[n] = w[n] << 8 | block[n * 8 + byte];
        }
    }
    for (unsigned n = 16; n < rounds; ++n) {
        const u64 a = w[n - 15];
        const u64 b = w[n - 2];
        w[n]        = w[n - 16] + (rotate(a, 1) ^ rotate(a, 8) ^ a >> 7) + w[n - 7]
               + (rotate(b, 19) ^ rotate(b, 61) ^ b >> 6);
    }
    u64 v[8];
    for (unsigned n = 0; n < 8; ++n) {
        v[n] = state[n];
    }
    for (unsigned n = 0; n < rounds; ++n) {
        const u64 one = v[7] + (rotate(v[4], 14) ^ rotate(v[4], 18) ^ rotate(v[4], 41))
                        + ((v[4] & v[5]) ^ (~v[4] & v[6])) + constants.round[n] + w[n];
        const u64 two = (rotate(v[0], 28) ^ rotate(v[0], 34) ^ rotate(v[0], 39))
                        + ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        for (unsigned m = 7; m > 0; --m) {
            v[m] = v[m - 1];
        }
        v[4] += one;
        v[0] = one + two;
    }
    for (unsigned n = 0; n < 8; ++n) {
        state[n] += v[n];
    }
}

} // namespace sha512_detail

/// Up to 2^32 bytes.
inline void sha512(const u8* bytes, u64 size, u8 (&digest)[64]) {
    constexpr u64 block_size = 128;
    u64 state[8];
    for (unsigned n = 0; n < 8; ++n) {
        state[n] = sha512_detail::constants.start[n];
    }
    u64 done = 0;
    for (; size - done >= block_size; done += block_size) {
        sha512_detail::compress(state, bytes + done);
    }
    u8 last[2 * block_size];
    const u64 rest  = size - done;
    const u64 total = rest + 17 <= block_size ? block_size : 2 * block_size;
    for (u64 n = 0; n < total; ++n) {
        last[n] = n < rest ? bytes[done + n] : n == rest ? u8{0x80} : u8{0};
    }
    for (unsigned n = 0; n < 8; ++n) {
        last[total - 1 - n] = static_cast<u8>(size * 8 >> (8 * n));
    }
    for (u64 at = 0; at < total; at += block_size) {
        sha512_detail::compress(state, last + at);
    }
    for (unsigned n = 0; n < 64; ++n) {
        digest[n] = static_cast<u8>(state[n / 8] >> (56 - 8 * (n % 8)));
    }
}

} // namespace vestibule::snp_guest
