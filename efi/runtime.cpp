// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the compiler calls by name whether a program is freestanding or not.
#include "x86/types.h"

extern "C" {
void* memset(void* to, int value, size_t size);
void* memcpy(void* to, const void* from, size_t size);
void* memmove(void* to, const void* from, size_t size);
int memcmp(const void* one, const void* other, size_t size);
}

// The string instructions, since a loop in C++ would be made a call of the function that it is in.
void* memset(void* to, int value, size_t size) {
    void* at = to;
    asm volatile("rep stosb" : "+D"(at), "+c"(size) : "a"(value) : "memory");
    return to;
}

void* memcpy(void* to, const void* from, size_t size) {
    void* at = to;
    asm volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(size) : : "memory");
    return to;
}

/// Backwards where the end of `from` would be overwritten before it is read.
void* memmove(void* to, const void* from, size_t size) {
    if (reinterpret_cast<size_t>(to) - reinterpret_cast<size_t>(from) >= size) {
        return memcpy(to, from, size);
    }
    void* at         = static_cast<unsigned char*>(to) + size - 1;
    const void* last = static_cast<const unsigned char*>(from) + size - 1;
    asm volatile("std\n\trep movsb\n\tcld" : "+D"(at), "+S"(last), "+c"(size) : : "memory");
    return to;
}

int memcmp(const void* one, const void* other, size_t size) {
    const auto* a = static_cast<const volatile unsigned char*>(one);
    const auto* b = static_cast<const volatile unsigned char*>(other);
    for (size_t i = 0; i < size; ++i) {
        if (a[i] != b[i]) {
            return a[i] - b[i];
        }
    }
    return 0;
}
