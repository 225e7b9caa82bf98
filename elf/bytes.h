// SPDX-License-Identifier: BSD-2-Clause-Patent
// Bytes by reference, for code that has no library.
#pragma once

#include "x86/types.h"

namespace vestibule::elf {

/// A file's bytes. They may be anything.
struct Bytes {
    const u8* data = nullptr;
    u64 size       = 0;

    /// Whether `count` bytes at `at` are among them.
    [[nodiscard]] constexpr bool hold(u64 at, u64 count) const {
        return at <= size && count <= size - at;
    }

    /// What stands at an offset that they hold.
    template <class T>
    [[nodiscard]] T load(u64 at) const {
        T value;
        __builtin_memcpy(&value, data + at, sizeof(T));
        return value;
    }
};

} // namespace vestibule::elf
