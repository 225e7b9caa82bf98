// SPDX-License-Identifier: BSD-2-Clause-Patent
// See console.h.
#include "examiner/console.h"

#include "examiner/machine.h"

namespace vestibule::examiner {

namespace {

constexpr u16 com1             = 0x3F8;
constexpr u16 line_status      = com1 + 5;
constexpr u8 transmitter_empty = 1u << 5;
constexpr int fifo_depth       = 16;

constinit int room = 0; // characters that the FIFO takes without asking again

} // namespace

void write(char character) {
    if (room == 0) {
        // A machine without this port reads as 0xFF; the bound is for one that is worse.
        for (int attempt = 0; attempt < 1000; ++attempt) {
            if ((read_port(line_status) & transmitter_empty) != 0) {
                break;
            }
        }
        room = fifo_depth;
    }
    --room;
    write_port(com1, static_cast<u8>(character));
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

} // namespace vestibule::examiner
