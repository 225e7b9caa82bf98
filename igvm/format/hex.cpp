// SPDX-License-Identifier: BSD-2-Clause-Patent
// See hex.h.
#include "igvm/format/hex.h"

#include <fmt/format.h>

#include <iterator>

namespace vestibule::igvm {

static int digit(char character) {
    if (character >= '0' && character <= '9') {
        return character - '0';
    }
    const auto lower = static_cast<char>(character | 0x20);
    return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10 : -1;
}

std::string to_hex(std::span<const u8> bytes) {
    std::string text;
    text.reserve(2 * bytes.size());
    for (const u8 byte : bytes) {
        fmt::format_to(std::back_inserter(text), "{:02x}", byte);
    }
    return text;
}

std::vector<u8> from_hex(std::string_view text) {
    std::vector<u8> bytes;
    if (text.size() % 2 != 0) {
        return bytes;
    }
    for (u64 at = 0; at < text.size(); at += 2) {
        const int high = digit(text[at]);
        const int low  = digit(text[at + 1]);
        if (high < 0 || low < 0) {
            return {};
        }
        bytes.push_back(static_cast<u8>((high << 4) | low));
    }
    return bytes;
}

static constexpr std::string_view base64_digits =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::string to_base64(std::span<const u8> bytes) {
    std::string text;
    for (u64 at = 0; at < bytes.size(); at += 3) {
        u32 group = 0;
        for (u64 i = 0; i < 3; ++i) {
            group = group << 8 | (at + i < bytes.size() ? bytes[at + i] : 0);
        }
        for (u64 i = 0; i < 4; ++i) {
            const bool padding = at + i > bytes.size();
            text += padding ? '=' : base64_digits[group >> (18 - 6 * i) & 63];
        }
    }
    return text;
}

std::vector<u8> from_base64(std::string_view text) {
    if (text.size() % 4 != 0) {
        return {};
    }
    std::vector<u8> bytes;
    for (u64 at = 0; at < text.size(); at += 4) {
        const bool is_last = at + 4 == text.size();
        u64 padding        = 0;
        u32 group          = 0;
        for (u64 i = 0; i < 4; ++i) {
            const u64 value = base64_digits.find(text[at + i]);
            if (is_last && i >= 2 && text[at + i] == '=') {
                ++padding;
            } else if (value == std::string_view::npos || padding != 0) {
                return {};
            }
            group = group << 6 | (padding != 0 ? 0 : static_cast<u32>(value));
        }
        for (u64 i = 0; i + padding < 3; ++i) {
            bytes.push_back(static_cast<u8>(group >> (16 - 8 * i)));
        }
    }
    return bytes;
}

std::vector<u8> from_hex_or_base64(std::string_view text, u64 size) {
    // What reads as hexadecimal is that: 64 digits, a SHA-256, are base64 for 48 bytes too, a
    // SHA-384.
    auto bytes = from_hex(text);
    if (bytes.empty()) {
        bytes = from_base64(text);
    }
    return bytes.size() == size ? bytes : std::vector<u8>{};
}

} // namespace vestibule::igvm
