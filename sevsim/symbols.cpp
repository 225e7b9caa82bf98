// SPDX-License-Identifier: BSD-2-Clause-Patent
// See symbols.h (System V ABI, "Symbol Table"). The file is the user's own, but may be a damaged
// one.
#include "sevsim/symbols.h"

#include "elf/format.h"
#include "igvm/format/number.h"
#include "igvm/tool/file_io.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <cxxabi.h>
#include <fmt/format.h>
#include <memory>
#include <optional>
#include <span>
#include <vector>

namespace vestibule::sevsim {

namespace {

using Bytes = std::span<const u8>;

template <class T>
std::optional<T> load(Bytes file, u64 offset) {
    T value;
    if (offset > file.size() || sizeof(T) > file.size() - offset) {
        return std::nullopt;
    }
    std::memcpy(&value, file.data() + offset, sizeof(T));
    return value;
}

std::string name_at(Bytes file, const elf::SectionHeader& names, u64 name) {
    if (names.offset > file.size() || names.size > file.size() - names.offset
        || name >= names.size) {
        return {};
    }
    const Bytes rest = file.subspan(names.offset, names.size).subspan(name);
    return {rest.begin(), std::ranges::find(rest, u8{0})};
}

/// As it stands in the source, without its parameters.
std::string demangled(const std::string& name) {
    int status = 0;
    const std::unique_ptr<char, decltype(&std::free)> text(
        abi::__cxa_demangle(name.c_str(), nullptr, nullptr, &status), &std::free);
    if (text == nullptr) {
        return name;
    }
    std::string whole = text.get();
    const auto last   = whole.rfind(')');
    unsigned depth    = 0;
    for (std::size_t at = last; last != std::string::npos && at-- > 0;) {
        // The parentheses that match the last one: a name may have others, "(anonymous namespace)".
        depth += whole[at] == ')' ? 1 : 0;
        if (whole[at] == '(' && depth-- == 0) {
            return whole.substr(0, at);
        }
    }
    return whole;
}

/// Functions, and labels of assembly, which have no type.
bool is_code(const elf::Symbol& symbol) {
    constexpr u8 type_mask   = 0xF;
    constexpr u8 no_type     = 0;
    constexpr u8 function    = 2;
    constexpr u16 first_kind = 0xFF00; // absolute symbols and the like
    const u8 type            = symbol.info & type_mask;
    return symbol.section != 0 && symbol.section < first_kind
           && (type == no_type || type == function);
}

} // namespace

std::expected<void, std::string> Symbols::add(const std::string& file_and_base) {
    const auto sign        = file_and_base.rfind('@');
    const std::string path = file_and_base.substr(0, sign);
    u64 base               = 0;
    if (sign != std::string::npos) {
        const auto number = igvm::number_of(file_and_base.substr(sign + 1));
        if (!number) {
            return std::unexpected(fmt::format("{}: {}", file_and_base, number.error()));
        }
        base = *number;
    }
    const auto opened = igvm::read_file(path);
    if (!opened) {
        return std::unexpected(opened.error());
    }
    const Bytes file  = *opened;
    const auto header = load<elf::Header>(file, 0);
    if (!header
        || std::memcmp(file.data(),
                       "\x7F"
                       "ELF\x02\x01",
                       6)
               != 0) {
        return std::unexpected(fmt::format("{}: offset 0x0: found no ELF64 file, expected one with "
                                           "symbols",
                                           path));
    }
    const std::size_t before = symbols_.size();
    for (u64 n = 0; n < header->section_header_count; ++n) {
        const auto section = load<elf::SectionHeader>(file, header->section_headers
                                                                + n * sizeof(elf::SectionHeader));
        if (!section || section->type != elf::section_symbols) {
            continue;
        }
        const auto names = load<elf::SectionHeader>(
            file, header->section_headers + section->link * sizeof(elf::SectionHeader));
        for (u64 at = 0; names && at + sizeof(elf::Symbol) <= section->size;
             at += sizeof(elf::Symbol)) {
            const auto symbol = load<elf::Symbol>(file, section->offset + at);
            if (!symbol) {
                break;
            }
            std::string name =
                is_code(*symbol) ? demangled(name_at(file, *names, symbol->name)) : "";
            if (!name.empty()) {
                symbols_.insert_or_assign(base + symbol->value,
                                          Symbol{.name = std::move(name), .size = symbol->size});
            }
        }
    }
    if (symbols_.size() == before) {
        return std::unexpected(fmt::format("{}: found no symbols of code, expected a file that is "
                                           "not stripped",
                                           path));
    }
    return {};
}

std::string Symbols::at(u64 address) const {
    constexpr u64 longest = 0x1'0000; // of what has no size
    auto found            = symbols_.upper_bound(address);
    if (found == symbols_.begin()) {
        return {};
    }
    --found;
    const u64 offset   = address - found->first;
    const Symbol& own  = found->second;
    const bool is_near = own.size != 0 ? offset < own.size : offset < longest;
    return !is_near ? "" : offset == 0 ? own.name : fmt::format("{}+{:#x}", own.name, offset);
}

} // namespace vestibule::sevsim
