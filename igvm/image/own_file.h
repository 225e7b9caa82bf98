// SPDX-License-Identifier: BSD-2-Clause-Patent
// What igvmtool has put where in a file that it has built, found again in the file alone: by the
// record that it leaves a payload's guest (boot/hand_over/header.h), and by its page tables.
#pragma once

#include "igvm/show/named_range.h"

#include "igvm/format/reader.h"

#include <optional>

namespace vestibule::igvm {

struct OwnFile {
    std::vector<NamedRange> parts; // by name_of(Part), the narrowest first; none: not igvmtool's

    /// A boot::PayloadHeader, and where in its page of the file its members are.
    struct Record {
        const u8* page;
        u64 offset;
        std::string command_line;
        u64 initrd; // guest-physical; 0: none
        u64 initrd_size;

        static const u64 line_at;
        static const u64 line_room;
        static const u64 line_size_at;
        static const u64 initrd_size_at;
    };

    std::optional<Record> record; // of a guest with a payload that was placed
};

OwnFile own_file(const File& file, PlatformType platform);

} // namespace vestibule::igvm
