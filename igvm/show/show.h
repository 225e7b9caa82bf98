// SPDX-License-Identifier: BSD-2-Clause-Patent
// What an IGVM file holds: in words, as one JSON object, and as a picture of guest memory.
#pragma once

#include "igvm/format/reader.h"
#include "igvm/show/named_range.h"
#include "igvm/show/sink.h"

#include <string>

namespace vestibule::igvm {

/// For people: headers in the file's order, pages in runs, registers that are not zero.
void show_text(const File& file, const Sink& out);

/// The same for programs. Addresses, flags and registers are strings, "0x200000", since not every
/// reader of JSON keeps 64 bits of a number; amounts and indexes are numbers.
void show_json(const File& file, std::string_view name, const Sink& out);

/// An SVG document: a column a platform, addresses downwards, what nobody fills cut out. Its size
/// is bounded whatever the file holds.
/// `words` are what others know of it.
struct PictureWords {
    NamesOf names;                                               // of what lies where
    std::function<std::vector<std::string>(PlatformType)> lines; // below a column's head
};

std::string show_svg(const File& file, std::string_view name, const PictureWords& words = {});

} // namespace vestibule::igvm
