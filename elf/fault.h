// SPDX-License-Identifier: BSD-2-Clause-Patent
// Why a file is refused: where, what was found there, and what was expected.
#pragma once

#include "x86/types.h"

namespace vestibule::elf {

/// A literal, with its length.
struct Phrase {
    const char* data = "";
    u64 size         = 0;

    constexpr Phrase() = default;

    template <u64 n>
    constexpr Phrase(const char (&literal)[n]) : data(literal), size(n - 1) {}
};

enum class Trouble : u8 {
    none,
    damaged,     // the file is not what it claims to be
    unsupported, // it is whole, but for somebody else
};

struct [[nodiscard]] Fault {
    Trouble kind = Trouble::none;
    Phrase expected; // "a segment to load"
    u64 offset = 0;  // in the file
    u64 found  = 0;

    [[nodiscard]] constexpr bool is_there() const { return kind != Trouble::none; }
};

inline constexpr Fault no_fault{};

constexpr Fault damaged(Phrase expected, u64 offset, u64 found) {
    return {.kind = Trouble::damaged, .expected = expected, .offset = offset, .found = found};
}

constexpr Fault unsupported(Phrase expected, u64 offset, u64 found) {
    return {.kind = Trouble::unsupported, .expected = expected, .offset = offset, .found = found};
}

/// A field's value that has to be right.
struct Row {
    Phrase expected;
    u64 offset;
    u64 found;
    bool right;
};

/// The first row that is not right.
template <u64 count>
constexpr Fault all_right(const Row (&rows)[count]) {
    for (const Row& row : rows) {
        if (!row.right) {
            return damaged(row.expected, row.offset, row.found);
        }
    }
    return no_fault;
}

} // namespace vestibule::elf
