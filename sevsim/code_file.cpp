// SPDX-License-Identifier: BSD-2-Clause-Patent
// Sections and not segments: what is executable by its pages alone may hold data beside code. The
// file is the user's own, but may be a damaged one.
#include "sevsim/code_file.h"

#include "elf/format.h"
#include "igvm/format/number.h"
#include "igvm/tool/file_io.h"

#include <cstring>
#include <fmt/format.h>
#include <optional>
#include <span>

namespace vestibule::sevsim {

namespace {

template <class T>
std::optional<T> load(std::span<const u8> file, u64 offset) {
    T value;
    if (offset > file.size() || sizeof(T) > file.size() - offset) {
        return std::nullopt;
    }
    std::memcpy(&value, file.data() + offset, sizeof(T));
    return value;
}

bool is_code(const elf::SectionHeader& section) {
    constexpr u64 allocated  = 2; // SHF_ALLOC
    constexpr u64 executable = 4; // SHF_EXECINSTR
    return (section.flags & (allocated | executable)) == (allocated | executable)
           && section.size != 0;
}

} // namespace

std::expected<void, std::string> add_code(CodeRanges& ranges, const std::string& text) {
    const auto too_many = [&] {
        return std::unexpected(
            fmt::format("{}: more than {} ranges of code", text, most_code_ranges));
    };
    CodeRange range{};
    if (read_code_range(text.data(), text.size(), range)) {
        return ranges.add(range) ? std::expected<void, std::string>{} : too_many();
    }
    const auto sign        = text.rfind('@');
    const std::string path = text.substr(0, sign);
    u64 base               = 0;
    if (sign != std::string::npos) {
        const auto number = igvm::number_of(text.substr(sign + 1));
        if (!number) {
            return std::unexpected(fmt::format("{}: {}", text, number.error()));
        }
        base = *number;
    }
    const auto opened = igvm::read_file(path);
    if (!opened) {
        return std::unexpected(opened.error());
    }
    const std::span<const u8> file = *opened;
    const auto header              = load<elf::Header>(file, 0);
    if (!header
        || std::memcmp(header->magic,
                       "\x7F"
                       "ELF",
                       4)
               != 0
        || header->file_class != elf::class_64_bit) {
        return std::unexpected(fmt::format("{}: offset 0x0: found no ELF64 file, expected one, or "
                                           "BEGIN-END",
                                           path));
    }
    const std::size_t before = ranges.count;
    for (u64 n = 0; n < header->section_header_count; ++n) {
        const auto section = load<elf::SectionHeader>(file, header->section_headers
                                                                + n * sizeof(elf::SectionHeader));
        if (section && is_code(*section)
            && !ranges.add({base + section->address, base + section->address + section->size})) {
            return too_many();
        }
    }
    if (ranges.count == before) {
        return std::unexpected(path + ": found no section of code, expected one");
    }
    return {};
}

} // namespace vestibule::sevsim
