// What igvmtool has put where in a file that it has built, found again in the file alone: by the
// record that it leaves a payload's guest (boot/hand_over/header.h), and by its page tables.
#pragma once

#include "igvm/show/named_range.h"

#include "igvm/format/reader.h"

#include <optional>

namespace vestibule::igvm {

struct OwnFile {
    std::vector<NamedRange> parts; // by name_of(Part), the narrowest first; none: not igvmtool's

    struct Record {
        u64 gpa;        // of boot::PayloadHeader
        const u8* page; // the page that it is in, in the file
        u64 offset;     // in that page
        std::string command_line;
    };

    std::optional<Record> record; // of a guest with a payload that was placed
};

OwnFile own_file(const File& file, PlatformType platform);

} // namespace vestibule::igvm
