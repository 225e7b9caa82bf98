// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/memory/memory.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/recording/outcome.h"

extern "C" {
extern vestibule::u8 monitor_end[];

void* memcpy(void* destination, const void* source, size_t count) {
    void* to     = destination;
    size_t words = count / 8;
    size_t rest  = count % 8;
    asm volatile("rep movsq" : "+D"(to), "+S"(source), "+c"(words) : : "memory");
    asm volatile("rep movsb" : "+D"(to), "+S"(source), "+c"(rest) : : "memory");
    return destination;
}

void* memmove(void* destination, const void* source, size_t count) {
    auto* to         = static_cast<unsigned char*>(destination);
    const auto* from = static_cast<const unsigned char*>(source);
    if (to <= from || to >= from + count) {
        return memcpy(destination, source, count);
    }
    while (count-- != 0) {
        to[count] = from[count];
    }
    return destination;
}

void* memset(void* destination, int value, size_t count) {
    void* to          = destination;
    const size_t fill = 0x0101'0101'0101'0101 * static_cast<unsigned char>(value);
    size_t words      = count / 8;
    size_t rest       = count % 8;
    asm volatile("rep stosq" : "+D"(to), "+c"(words) : "a"(fill) : "memory");
    asm volatile("rep stosb" : "+D"(to), "+c"(rest) : "a"(fill) : "memory");
    return destination;
}

size_t strlen(const char* text) {
    size_t length = 0;
    while (text[length] != '\0') {
        ++length;
    }
    return length;
}

int memcmp(const void* left, const void* right, size_t count) {
    const auto* a = static_cast<const unsigned char*>(left);
    const auto* b = static_cast<const unsigned char*>(right);
    for (size_t n = 0; n < count; ++n) {
        if (a[n] != b[n]) {
            return a[n] < b[n] ? -1 : 1;
        }
    }
    return 0;
}
}

namespace vestibule::sevsim {

void* allocate_pages(u64 count) {
    static constinit u64 used = 0;
    u8* const begin           = monitor_end + used;
    used += count * page_size;
    if (reinterpret_cast<u64>(monitor_end) + used
        > layout::monitor_virtual + layout::monitor_size) {
        end_run_by_monitor_error("the monitor has no memory left for page tables");
    }
    return memset(begin, 0, count * page_size);
}

} // namespace vestibule::sevsim
