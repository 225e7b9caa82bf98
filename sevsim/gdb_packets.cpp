// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/gdb_packets.h"

#include <charconv>
#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

/// A digit's value, or 16.
constexpr unsigned digit_value(char digit) {
    if (digit >= '0' && digit <= '9') {
        return static_cast<unsigned>(digit - '0');
    }
    const char lower = static_cast<char>(digit | 0x20);
    return lower >= 'a' && lower <= 'f' ? static_cast<unsigned>(lower - 'a') + 10 : 16;
}

constexpr unsigned byte_of(char character) { return static_cast<unsigned char>(character); }

} // namespace

std::vector<GdbItem> GdbReader::take(std::string_view bytes) {
    using enum GdbItem::Kind;
    std::vector<GdbItem> items;
    for (const char byte : bytes) {
        switch (expected_) {
        case Expected::start:
            if (byte == '$') {
                body_.clear();
                sum_      = 0;
                expected_ = Expected::body;
            } else if (byte == '+') {
                items.push_back({acknowledgement, {}});
            } else if (byte == '-') {
                items.push_back({again, {}});
            } else if (byte == '\x03') {
                items.push_back({interrupt, {}});
            } // anything else is a line's noise
            break;
        case Expected::body:
            if (byte == '#') {
                expected_ = Expected::first_digit;
            } else {
                body_ += byte;
                sum_ += byte_of(byte);
            }
            break;
        case Expected::first_digit:
            digit_    = digit_value(byte);
            expected_ = Expected::second_digit;
            break;
        case Expected::second_digit:
            if (digit_ * 16 + digit_value(byte) == (sum_ & 0xFF)) {
                items.push_back({packet, std::move(body_)});
            } else {
                items.push_back({damaged, {}});
            }
            body_.clear();
            expected_ = Expected::start;
            break;
        }
    }
    return items;
}

std::string gdb_packet(std::string_view body) {
    unsigned sum = 0;
    for (const char character : body) {
        sum += byte_of(character);
    }
    return fmt::format("${}#{:02x}", body, sum & 0xFF);
}

std::string gdb_unescape(std::string_view body) {
    constexpr char escape    = '}';
    constexpr unsigned turns = 0x20;
    std::string plain;
    for (std::size_t n = 0; n < body.size(); ++n) {
        const bool escaped = body[n] == escape && n + 1 < body.size();
        plain += escaped ? static_cast<char>(byte_of(body[++n]) ^ turns) : body[n];
    }
    return plain;
}

std::string gdb_hex(std::span<const u8> bytes) {
    std::string text;
    for (const u8 byte : bytes) {
        text += fmt::format("{:02x}", byte);
    }
    return text;
}

std::optional<std::vector<u8>> gdb_bytes(std::string_view hex) {
    if (hex.size() % 2 != 0) {
        return std::nullopt;
    }
    std::vector<u8> bytes;
    for (std::size_t n = 0; n < hex.size(); n += 2) {
        const unsigned high = digit_value(hex[n]);
        const unsigned low  = digit_value(hex[n + 1]);
        if (high > 15 || low > 15) {
            return std::nullopt;
        }
        bytes.push_back(static_cast<u8>(high * 16 + low));
    }
    return bytes;
}

std::optional<u64> gdb_number(std::string_view& text) {
    constexpr int hexadecimal = 16;
    u64 value                 = 0;
    const auto [end, error] =
        std::from_chars(text.data(), text.data() + text.size(), value, hexadecimal);
    if (error != std::errc{}) {
        return std::nullopt;
    }
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return value;
}

} // namespace vestibule::sevsim
