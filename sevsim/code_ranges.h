// SPDX-License-Identifier: BSD-2-Clause-Patent
// Linear addresses that a guest's code lies at (`sevsim run --code`), for the host command and the
// monitor. Freestanding.
#pragma once

#include "sevsim/lies.h"
#include "x86/types.h"

namespace vestibule::sevsim {

struct CodeRange {
    u64 begin;
    u64 end; ///< behind the last byte

    constexpr bool contains(u64 address) const { return address >= begin && address < end; }
};

inline constexpr size_t most_code_ranges = 16;

struct CodeRanges {
    CodeRange range[most_code_ranges]{};
    size_t count = 0;

    /// False where there is no room for it.
    constexpr bool add(CodeRange one) {
        if (count == most_code_ranges) {
            return false;
        }
        range[count++] = one;
        return true;
    }
};

/// Reads "BEGIN-END", numbers as lies have them; false where it is none, or holds nothing.
constexpr bool read_code_range(const char* text, size_t length, CodeRange& range) {
    size_t dash = 0;
    while (dash < length && text[dash] != '-') {
        ++dash;
    }
    return dash < length && read_number(text, dash, range.begin)
           && read_number(text + dash + 1, length - dash - 1, range.end) && range.begin < range.end;
}

} // namespace vestibule::sevsim
