// SPDX-License-Identifier: BSD-2-Clause-Patent
// Numbers and sizes as people write them, on command lines and in policies. What is signed or
// measured must not depend on a reader's good will: no sign, no leading zero that one reader takes
// for octal, nothing cut off or wrapped round.
#pragma once

#include "x86/types.h"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::igvm {

struct NumberRange {
    u64 least = 0;
    u64 most  = ~u64{0};
};

/// Decimal, or hexadecimal behind 0x. An error says what was found and expected.
std::expected<u64, std::string> number_of(std::string_view text, NumberRange range = {});

/// Decimal numbers with this sign between them, "1.55.16"; none where one of them is wrong.
std::vector<u64> numbers_between(std::string_view text, char sign, NumberRange range);

/// Bytes, or with K, M, G (also KiB, MiB, GiB), which are powers of 1024.
std::expected<u64, std::string> byte_count_of(std::string_view text, NumberRange range = {});

/// "256M", "1G", or bytes where it is neither.
std::string byte_count_in_words(u64 bytes);

} // namespace vestibule::igvm
