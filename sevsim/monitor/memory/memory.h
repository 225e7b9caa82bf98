// SPDX-License-Identifier: BSD-2-Clause-Patent
// The monitor's memory: what a freestanding program has to bring itself, and pages on demand.
#pragma once

#include "x86/types.h"

extern "C" {
void* memcpy(void* destination, const void* source, size_t count);
void* memmove(void* destination, const void* source, size_t count);
void* memset(void* destination, int value, size_t count);
size_t strlen(const char* text);
int memcmp(const void* left, const void* right, size_t count);
}

namespace vestibule::sevsim {

/// What the rest of the monitor calls by these names: of a size that the compiler knows it makes a
/// few moves, where the functions above are loops, which an emulator takes long to begin.
[[gnu::always_inline]] inline void* memcpy(void* destination, const void* source, size_t count) {
    return __builtin_memcpy(destination, source, count);
}

[[gnu::always_inline]] inline void* memset(void* destination, int value, size_t count) {
    return __builtin_memset(destination, value, count);
}

/// Pages from the monitor's 64 MiB, zeroed, never given back. Ends the run when there are none
/// left.
void* allocate_pages(u64 count);

} // namespace vestibule::sevsim
