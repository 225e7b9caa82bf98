// SPDX-License-Identifier: BSD-2-Clause-Patent
// How the payloads of the tests speak, by OUT, and what they look at in memory.
#pragma once

#include "boot/ports.h"
#include "x86/cpu.h"

namespace vestibule::payloads {

inline void write(char character) { x86::Cpu::out8(boot::port::com1, static_cast<u8>(character)); }

inline void write(const char* text) {
    for (; *text != '\0'; ++text) {
        write(*text);
    }
}

inline void write(u64 value) {
    if (value >= 10) {
        write(value / 10);
    }
    write(static_cast<char>('0' + value % 10));
}

inline void tell(const char* name, u64 value) {
    write(name);
    write(value);
    write('\n');
}

inline bool begins_with(u64 address, const char* wanted) {
    const auto* at = reinterpret_cast<const volatile char*>(address);
    for (; *wanted != '\0'; ++wanted, ++at) {
        if (*at != *wanted) {
            return false;
        }
    }
    return true;
}

/// Of the bytes there.
inline u64 sum_of(u64 address, u64 size) {
    const auto* at = reinterpret_cast<const u8*>(address);
    u64 sum        = 0;
    for (u64 i = 0; i < size; ++i) {
        sum += at[i];
    }
    return sum;
}

[[noreturn]] inline void end_run() {
    x86::Cpu::out8(boot::port::debug_exit, 0);
    x86::Cpu::halt();
}

} // namespace vestibule::payloads
