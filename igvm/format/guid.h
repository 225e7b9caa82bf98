// SPDX-License-Identifier: BSD-2-Clause-Patent
// GUIDs as UEFI stores them: the first three groups little-endian, the rest as written.
#pragma once

#include "x86/types.h"

#include <array>

namespace vestibule::igvm {

using Guid = std::array<u8, 16>;

/// From "96b582de-1fb2-45f7-baea-a366c55a082d", lower case.
constexpr Guid guid(const char (&text)[37]) {
    constexpr unsigned place[] = {3, 2, 1, 0, 5, 4, 7, 6, 8, 9, 10, 11, 12, 13, 14, 15};
    Guid result{};
    unsigned digits = 0;
    for (const char character : text) {
        if (character == '-' || character == '\0') {
            continue;
        }
        const bool decimal = character >= '0' && character <= '9';
        const auto digit = static_cast<unsigned>(decimal ? character - '0' : character - 'a' + 10);
        u8& byte         = result[place[digits / 2]];
        byte             = static_cast<u8>(byte * 16 + digit);
        ++digits;
    }
    return result;
}

static_assert(guid("96b582de-1fb2-45f7-baea-a366c55a082d")
              == Guid{0xDE, 0x82, 0xB5, 0x96, 0xB2, 0x1F, 0xF7, 0x45, 0xBA, 0xEA, 0xA3, 0x66, 0xC5,
                      0x5A, 0x08, 0x2D});

} // namespace vestibule::igvm
