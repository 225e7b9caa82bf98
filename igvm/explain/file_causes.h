// SPDX-License-Identifier: BSD-2-Clause-Patent
// Causes that lie in an IGVM file's pages: another command line, another initrd than the file
// brings. Part of causes.h.
#pragma once

#include "igvm/explain/causes.h"

namespace vestibule::igvm {

/// What may have been in the file instead, by the names that the user has for it.
struct FileAlternatives {
    struct Content {
        std::string name;
        std::vector<u8> bytes;
    };

    /// Where a file of igvmtool's own tells its guest of them (boot/hand_over/header.h): in this
    /// page of the file, at these offsets.
    struct Record {
        const u8* page;
        u64 line; // and how long it may be, with its zero
        u64 line_room;
        u64 line_size;
        u64 initrd_size;
    };

    std::optional<Record> record{}; // NOLINT(readability-redundant-member-init): others have none
    std::string line;               // that the file has; without a record none where it is empty
    std::vector<std::string> other_lines;
    std::optional<Content> initrd;
    std::vector<Content> other_initrds;
};

/// Empty where the file has neither in its pages.
std::vector<Cause> file_causes(const Launch& launch, const FileAlternatives& alternatives);

} // namespace vestibule::igvm
