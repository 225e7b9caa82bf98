// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where a guest's code lies, as the command line says it.
#pragma once

#include "sevsim/code_ranges.h"

#include <expected>
#include <string>

namespace vestibule::sevsim {

/// "0x200000-0x204000", or "FILE" or "FILE@0x200000" for the executable sections of an ELF64 file,
/// the number added to its addresses. An error in words.
std::expected<void, std::string> add_code(CodeRanges& ranges, const std::string& text);

} // namespace vestibule::sevsim
