// SPDX-License-Identifier: BSD-2-Clause-Patent
// Bytes as the standards print them.
#pragma once

#include "x86/types.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::test {

inline std::string hex(std::span<const u8> bytes) {
    constexpr std::string_view digits = "0123456789abcdef";
    std::string text;
    for (const u8 byte : bytes) {
        text += digits[byte >> 4];
        text += digits[byte & 15];
    }
    return text;
}

/// Two digits a byte, and nothing else.
inline std::vector<u8> bytes_of(std::string_view text) {
    std::vector<u8> bytes;
    for (size_t n = 0; n + 1 < text.size(); n += 2) {
        bytes.push_back(static_cast<u8>(std::stoul(std::string{text.substr(n, 2)}, nullptr, 16)));
    }
    return bytes;
}

} // namespace vestibule::test
