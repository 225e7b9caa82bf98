// SPDX-License-Identifier: BSD-2-Clause-Patent
// Text and bytes for code that has no library: the application is compiled for a target that
// libstdc++ does not know.
#pragma once

#include "elf/bytes.h"
#include "x86/types.h"

namespace vestibule::efi {

/// Characters that somebody else keeps; they need not end with a zero byte.
struct Text {
    const char* data = "";
    u64 size         = 0;

    constexpr Text() = default;

    constexpr Text(const char* characters, u64 count) : data(characters), size(count) {}

    template <u64 n>
    constexpr Text(const char (&literal)[n]) : data(literal), size(n - 1) {}

    constexpr char operator[](u64 at) const { return data[at]; }

    [[nodiscard]] constexpr bool empty() const { return size == 0; }

    [[nodiscard]] constexpr Text first(u64 count) const { return {data, count}; }

    [[nodiscard]] constexpr Text from(u64 at) const { return {data + at, size - at}; }

    friend constexpr bool operator==(Text one, Text other) {
        if (one.size != other.size) {
            return false;
        }
        for (u64 i = 0; i < one.size; ++i) {
            if (one[i] != other[i]) {
                return false;
            }
        }
        return true;
    }
};

using elf::Bytes;

/// A number to be written in base 16.
struct Hex {
    u64 value;
};

/// A line put together from texts and numbers, cut where it is full.
class Words {
  public:
    constexpr Words& operator<<(Text text) {
        for (u64 i = 0; i < text.size && size_ < sizeof(line_); ++i) {
            line_[size_++] = text[i];
        }
        return *this;
    }

    constexpr Words& operator<<(u64 value) { return write(value, 10); }

    constexpr Words& operator<<(Hex number) { return (*this << "0x").write(number.value, 16); }

    [[nodiscard]] constexpr Text text() const { return {line_, size_}; }

  private:
    constexpr Words& write(u64 value, u64 base) {
        char digits[20] = {};
        u64 at          = sizeof(digits);
        do {
            digits[--at] = "0123456789abcdef"[value % base];
            value /= base;
        } while (value != 0);
        return *this << Text{digits + at, sizeof(digits) - at};
    }

    char line_[300] = {};
    u32 size_       = 0;
};

} // namespace vestibule::efi
