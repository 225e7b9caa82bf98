// SPDX-License-Identifier: BSD-2-Clause-Patent
// Why a guest image or a payload is refused, in words.
#pragma once

#include "elf/header.h"

#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace vestibule::igvm {

struct ImageError {
    std::string_view expected;
    u64 offset; // in the file
    u64 found;
    std::string section; // of relocations, by name
};

/// "offset 0x58 (section .rela.dyn): found 0x1, expected no relocations"
std::string describe(const ImageError& error);

inline std::unexpected<ImageError> refuse(std::string_view expected, u64 offset, u64 found) {
    return std::unexpected(
        ImageError{.expected = expected, .offset = offset, .found = found, .section = {}});
}

/// What the ELF reader found.
inline std::unexpected<ImageError> refuse(const elf::Fault& fault) {
    return refuse({fault.expected.data, fault.expected.size}, fault.offset, fault.found);
}

inline elf::Bytes elf_bytes(std::span<const u8> file) { return {file.data(), file.size()}; }

} // namespace vestibule::igvm
