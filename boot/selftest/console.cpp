// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "boot/selftest/console.h"

#include "boot/ports.h"
#include "x86/cpu.h"

namespace vestibule::selftest {

namespace {

constexpr u16 line_status      = boot::port::com1 + 5;
constexpr u8 transmitter_empty = 1u << 5;
constexpr int fifo_depth       = 16;

constinit int room = 0; // characters that the FIFO takes without asking again

} // namespace

void write(char character) {
    if (room == 0) {
        // A machine without this port reads as 0xFF; the bound is for one that is worse.
        for (int attempt = 0; attempt < 1000; ++attempt) {
            if ((x86::Cpu::in8(line_status) & transmitter_empty) != 0) {
                break;
            }
        }
        room = fifo_depth;
    }
    --room;
    x86::Cpu::out8(boot::port::com1, static_cast<u8>(character));
}

void write(const char* text) {
    for (; *text != '\0'; ++text) {
        write(*text);
    }
}

void write_decimal(u64 value) {
    if (value >= 10) {
        write_decimal(value / 10);
    }
    write(static_cast<char>('0' + value % 10));
}

void write_hex(u64 value) {
    write("0x");
    int shift = 60;
    while (shift > 0 && (value >> shift) == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        const auto digit = static_cast<unsigned>(value >> shift) & 0xF;
        write(static_cast<char>(digit < 10 ? '0' + digit : 'a' + digit - 10));
    }
}

} // namespace vestibule::selftest
