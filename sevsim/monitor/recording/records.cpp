// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/recording/records.h"

#include "x86/cpu.h"

namespace vestibule::sevsim {

namespace {

void put(char character) { x86::Cpu::out8(record_port, static_cast<u8>(character)); }

void put(std::string_view text) {
    for (const char character : text) {
        put(character);
    }
}

/// Everything the monitor says is its own text, but a quote in it must not break the line.
void put_string(std::string_view text) {
    put('"');
    for (const char character : text) {
        const bool plain = character >= ' ' && character <= '~';
        put(!plain || character == '"' || character == '\\' ? '?' : character);
    }
    put('"');
}

void put_decimal(u64 value) {
    if (value >= 10) {
        put_decimal(value / 10);
    }
    put(static_cast<char>('0' + value % 10));
}

void put_digit(u64 value) { put("0123456789abcdef"[value & 0xF]); }

void put_hex(u64 value) {
    int shift = 60;
    while (shift > 0 && (value >> shift) == 0) {
        shift -= 4;
    }
    for (; shift >= 0; shift -= 4) {
        put_digit(value >> shift);
    }
}

} // namespace

Record::Record(const char* kind) {
    put("{\"record\":");
    put_string(kind);
}

void Record::key(const char* name) {
    if (!first) {
        put(',');
    }
    first = false;
    put_string(name);
    put(':');
}

Record& Record::text(const char* name, std::string_view value) {
    key(name);
    put_string(value);
    return *this;
}

Record& Record::number(const char* name, u64 value) {
    key(name);
    put_decimal(value);
    return *this;
}

Record& Record::hex(const char* name, u64 value) {
    key(name);
    put("\"0x");
    put_hex(value);
    put('"');
    return *this;
}

Record& Record::bytes(const char* name, const u8* values, u64 count) {
    key(name);
    put('"');
    for (u64 n = 0; n < count; ++n) {
        if (n != 0) {
            put(' ');
        }
        put_digit(values[n] >> 4);
        put_digit(values[n]);
    }
    put('"');
    return *this;
}

Record& Record::begin_object(const char* name) {
    key(name);
    put('{');
    first = true;
    return *this;
}

Record& Record::end_object() {
    put('}');
    first = false;
    return *this;
}

void Record::end() { put("}\n"); }

} // namespace vestibule::sevsim
