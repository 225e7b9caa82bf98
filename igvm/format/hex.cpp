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

} // namespace vestibule::igvm
