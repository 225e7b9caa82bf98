// SPDX-License-Identifier: BSD-2-Clause-Patent
// Bytes as hexadecimal digits, as digests, identifiers and keys are written, and in base64, as QEMU
// and some verifiers write them (RFC 4648, section 4).
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

std::string to_base64(std::span<const u8> bytes);

/// Empty where the text is not whole groups of four digits, padded.
std::vector<u8> from_base64(std::string_view text);

/// So many bytes in either; empty where it is neither. A text that is both is hexadecimal.
std::vector<u8> from_hex_or_base64(std::string_view text, u64 size);

} // namespace vestibule::igvm
