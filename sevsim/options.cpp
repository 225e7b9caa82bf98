// Reading the values of `sevsim run`'s options.
#include "sevsim/options.h"

#include <charconv>
#include <fmt/format.h>

namespace vestibule::sevsim {

namespace {

/// The power of two that a suffix stands for, or -1.
int suffix_shift(std::string_view suffix) {
    if (suffix.empty()) {
        return 0;
    }
    if (suffix.size() > 1) {
        return -1;
    }
    switch (suffix[0]) {
    case 'k':
    case 'K': return 10;
    case 'm':
    case 'M': return 20;
    case 'g':
    case 'G': return 30;
    default: return -1;
    }
}

} // namespace

std::expected<u64, std::string> parse_memory(std::string_view text) {
    u64 number              = 0;
    const char* const begin = text.data();
    const char* const end   = begin + text.size();
    const auto [rest, what] = std::from_chars(begin, end, number);
    const int shift         = suffix_shift({rest, end});
    if (what == std::errc::invalid_argument || shift < 0) {
        return std::unexpected(
            fmt::format("'{}' is not a size: expected a number of bytes, K, M or G", text));
    }
    const bool too_large =
        what == std::errc::result_out_of_range || number > (largest_guest >> shift);
    if (too_large || number << shift < smallest_guest) {
        return std::unexpected(fmt::format("'{}' is too {}: expected {}M to {}G", text,
                                           too_large ? "large" : "small", smallest_guest / mib,
                                           largest_guest / gib));
    }
    if ((number << shift) % memory_step != 0) {
        return std::unexpected(fmt::format("'{}' is not a multiple of 2M", text));
    }
    return number << shift;
}

} // namespace vestibule::sevsim
