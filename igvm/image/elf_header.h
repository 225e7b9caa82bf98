// An ELF64 for x86-64 as far as every reader of one here agrees on it: its header and the place of
// its program headers (System V ABI, "ELF-64 Object File Format"). The file is hostile.
#pragma once

#include "x86/types.h"

#include <elf.h>

#include <expected>
#include <span>
#include <string>
#include <string_view>

namespace vestibule::igvm {

/// Why a guest image or a payload is refused.
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

/// A field's value that has to be right.
struct ImageRow {
    std::string_view expected;
    u64 offset;
    u64 found;
    bool right;
};

/// Refuses by the first row that is not right.
inline std::expected<void, ImageError> all_right(std::span<const ImageRow> rows) {
    for (const ImageRow& row : rows) {
        if (!row.right) {
            return refuse(row.expected, row.offset, row.found);
        }
    }
    return {};
}

/// Whether `count` entries of `size` bytes at `offset` are inside the file. ELF's counts have 16
/// bits, so that the product cannot overflow.
inline bool holds_table(std::span<const u8> elf, u64 offset, u64 count, u64 size) {
    return offset <= elf.size() && count * size <= elf.size() - offset;
}

/// The header, if it is one for x86-64 whose program headers are in the file.
std::expected<Elf64_Ehdr, ImageError> read_elf_header(std::span<const u8> elf);

/// Refuses a PT_LOAD, whose header stands at `at`, of which the file does not have what it says.
std::expected<void, ImageError> check_segment_data(std::span<const u8> elf, u64 at,
                                                   const Elf64_Phdr& segment);

} // namespace vestibule::igvm
