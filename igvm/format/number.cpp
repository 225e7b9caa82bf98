// SPDX-License-Identifier: BSD-2-Clause-Patent
// See number.h.
#include "igvm/format/number.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

namespace vestibule::igvm {

namespace {
/// The digits alone: from_chars takes a sign and leading zeros.
std::optional<u64> read_digits(std::string_view text) {
    const bool hex = text.starts_with("0x") || text.starts_with("0X");
    if (hex) {
        text.remove_prefix(2);
    }
    const bool padded = !hex && text.size() > 1 && text.front() == '0';
    if (text.empty() || text.front() == '-' || text.front() == '+' || padded) {
        return std::nullopt;
    }
    u64 number            = 0;
    const char* const end = text.data() + text.size();
    const auto result     = std::from_chars(text.data(), end, number, hex ? 16 : 10);
    return result.ec == std::errc() && result.ptr == end ? std::optional(number) : std::nullopt;
}

struct Unit {
    std::string_view name;
    unsigned shift;
};

constexpr Unit units[] = {
    {.name = "KiB", .shift = 10},
    {.name = "MiB", .shift = 20},
    {.name = "GiB", .shift = 30},
    {.name = "K",   .shift = 10},
    {.name = "M",   .shift = 20},
    {.name = "G",   .shift = 30},
    {.name = "k",   .shift = 10}, // as QEMU takes them too
    {.name = "m",   .shift = 20},
    {.name = "g",   .shift = 30},
};

bool is_in(NumberRange range, u64 number) { return number >= range.least && number <= range.most; }
} // namespace

std::expected<u64, std::string> number_of(std::string_view text, NumberRange range) {
    const auto number = read_digits(text);
    if (number && is_in(range, *number)) {
        return *number;
    }
    const std::string which = range.most == ~u64{0} && range.least == 0
                                  ? "a number of 64 bits"
                                  : fmt::format("a number from {} to {}", range.least, range.most);
    return std::unexpected(fmt::format("found {}, expected {}, decimal and with no leading zero or "
                                       "hexadecimal behind 0x",
                                       text, which));
}

std::vector<u64> numbers_between(std::string_view text, char sign, NumberRange range) {
    std::vector<u64> numbers;
    for (u64 at = 0; at <= text.size();) {
        const u64 end   = std::min(text.find(sign, at), text.size());
        const auto part = text.substr(at, end - at);
        const auto one  = number_of(part, range);
        if (!one || part.starts_with("0x") || part.starts_with("0X")) {
            return {};
        }
        numbers.push_back(*one);
        at = end + 1;
    }
    return numbers;
}

std::expected<u64, std::string> byte_count_of(std::string_view text, NumberRange range) {
    const auto digits = [&](std::string_view unit) {
        return read_digits(text.substr(0, text.size() - unit.size()));
    };
    std::optional<u64> bytes = read_digits(text);
    for (const Unit& unit : units) {
        if (bytes || !text.ends_with(unit.name)) {
            continue;
        }
        const auto number = digits(unit.name);
        if (number && *number <= ~u64{0} >> unit.shift) {
            bytes = *number << unit.shift;
        }
        break;
    }
    if (bytes && is_in(range, *bytes)) {
        return *bytes;
    }
    return std::unexpected(fmt::format(
        "found {}, expected a size from {} to {}: bytes, or with K, M, G (KiB, MiB, GiB)", text,
        byte_count_in_words(range.least), byte_count_in_words(range.most)));
}

std::string byte_count_in_words(u64 bytes) {
    constexpr Unit all[] = {
        {.name = "G", .shift = 30},
        {.name = "M", .shift = 20},
        {.name = "K", .shift = 10}
    };
    for (const Unit& unit : all) {
        if (bytes != 0 && bytes % (u64{1} << unit.shift) == 0) {
            return fmt::format("{}{}", bytes >> unit.shift, unit.name);
        }
    }
    return fmt::format("{}", bytes);
}

} // namespace vestibule::igvm
