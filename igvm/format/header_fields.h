// SPDX-License-Identifier: BSD-2-Clause-Patent
// The fields of every variable header by name, for those who show or compare headers without a
// function for each type. Reserved fields, which are zero in every accepted file, are left out.
#pragma once

#include "igvm/format/reader.h"

#include <string>

namespace vestibule::igvm {

/// What a field's value is for a reader of it.
enum class FieldKind : u8 {
    number,      // an amount or an index
    hex,         // an address or flags
    bytes,       // a digest, a signature
    mask,        // platforms
    file_offset, // where data lies, which says nothing about the guest
};

struct HeaderField {
    constexpr HeaderField(std::string_view own_name, u64 at, u64 length, FieldKind own_kind)
        : name(own_name), offset(static_cast<u32>(at)), size(static_cast<u32>(length)),
          kind(own_kind) {}

    std::string_view name;
    u32 offset;
    u32 size;
    FieldKind kind;
};

/// None for types that the format does not define.
std::span<const HeaderField> fields_of(HeaderType type);

/// Little-endian, of up to 8 bytes.
u64 load_number(std::span<const u8> bytes);

/// "0x1000", "12", or all bytes in hex.
std::string value_of(const HeaderField& field, const Header& header);

} // namespace vestibule::igvm
