// Bytes as hexadecimal digits, as digests, identifiers and keys are written.
#pragma once

#include "x86/types.h"

#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::igvm {

/// Two lower-case digits a byte.
std::string to_hex(std::span<const u8> bytes);

/// Empty where the text is not an even number of hexadecimal digits.
std::vector<u8> from_hex(std::string_view text);

} // namespace vestibule::igvm
