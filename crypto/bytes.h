// SPDX-License-Identifier: BSD-2-Clause-Patent
// What ciphers need of memory, in code that has no libc: words by their byte order, a comparison
// that takes as long whatever it finds, and wiping that no compiler leaves out.
#pragma once

#include "x86/types.h"

namespace vestibule::crypto {

/// Memory of somebody else's.
struct Bytes {
    const u8* data = nullptr;
    u64 size       = 0;
};

inline u64 load_little64(const u8* from) {
    u64 value = 0;
    for (unsigned n = 0; n < 8; ++n) {
        value |= u64{from[n]} << (8 * n);
    }
    return value;
}

inline void store_little64(u8* to, u64 value) {
    for (unsigned n = 0; n < 8; ++n) {
        to[n] = static_cast<u8>(value >> (8 * n));
    }
}

inline u64 load_big64(const u8* from) { return __builtin_bswap64(load_little64(from)); }

inline void store_big64(u8* to, u64 value) { store_little64(to, __builtin_bswap64(value)); }

inline void store_big32(u8* to, u32 value) {
    for (unsigned n = 0; n < 4; ++n) {
        to[n] = static_cast<u8>(value >> (24 - 8 * n));
    }
}

/// SECURITY: a comparison that stops at the first difference tells by its time how many bytes of a
/// forged tag were right.
inline bool is_same(const u8* left, const u8* right, u64 size) {
    volatile u8 different = 0; // so that no compiler sees when it is decided
    for (u64 n = 0; n < size; ++n) {
        different = static_cast<u8>(different | (left[n] ^ right[n]));
    }
    return different == 0;
}

/// Of keys and of what was encrypted with them.
inline void wipe(void* memory, u64 size) {
    auto* bytes = static_cast<volatile u8*>(memory);
    for (u64 n = 0; n < size; ++n) {
        bytes[n] = 0;
    }
}

} // namespace vestibule::crypto
