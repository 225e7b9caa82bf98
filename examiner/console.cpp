// SPDX-License-Identifier: BSD-2-Clause-Patent
// See console.h.
#include "examiner/console.h"

#include "examiner/conversation.h"
#include "examiner/machine.h"
#include "examiner/port_access.h"

namespace vestibule::examiner {

namespace {

constexpr u16 com1             = 0x3F8;
constexpr u16 scratch_register = com1 + 7;
constexpr u16 line_status      = com1 + 5;
constexpr u8 transmitter_empty = 1u << 5;
constexpr u64 fifo_depth       = 16;

constinit u8 line[fifo_depth]{}; // what the FIFO takes without asking again
constinit u64 used = 0;

void out_string(u16 port, const u8* bytes, u64 count) {
    for (u64 n = 0; n < count; ++n) {
        set_buffer_byte(n, bytes[n]);
    }
    (void)perform(call_of(ExitCode::ioio, port_outs(port, 1), count).with_scratch());
}

/// One call for a FIFO instead of one a character; but a host that does not serve OUTS is to be
/// heard of too.
bool has_string_io() {
    if (info().platform == boot::Platform::native) {
        return false;
    }
    constexpr u8 mark = 0x6B;
    write_port(scratch_register, 0);
    out_string(scratch_register, &mark, 1);
    return read_port(scratch_register) == mark;
}

void flush() {
    enum class Way : u8 { unknown, bytes, strings };
    static constinit Way way = Way::unknown;
    if (way == Way::unknown) {
        way = has_string_io() ? Way::strings : Way::bytes;
    }
    // A machine without this port reads as 0xFF; the bound is for one that is worse.
    for (int attempt = 0; attempt < 1000; ++attempt) {
        if ((read_port(line_status) & transmitter_empty) != 0) {
            break;
        }
    }
    if (way == Way::strings) {
        out_string(com1, line, used);
    } else {
        for (u64 n = 0; n < used; ++n) {
            write_port(com1, line[n]);
        }
    }
    used = 0;
}

} // namespace

void write(char character) {
    line[used++] = static_cast<u8>(character);
    if (used == fifo_depth || character == '\n') {
        flush();
    }
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
