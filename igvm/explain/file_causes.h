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

    std::string line; // that the file has; none where it is empty
    std::vector<std::string> other_lines;
    std::optional<Content> initrd;
    std::vector<Content> other_initrds;
};

/// Empty where the file has neither in its pages.
std::vector<Cause> file_causes(const Launch& launch, const FileAlternatives& alternatives);

} // namespace vestibule::igvm
