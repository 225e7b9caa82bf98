// SPDX-License-Identifier: BSD-2-Clause-Patent
// What went into a built file, for those who have to build it again or to believe it: inputs with
// their hashes, every option, and what lies where. Of the same inputs it says the same.
#pragma once

#include "igvm/image/build.h"

#include <string>

namespace vestibule::igvm {

/// A file that was read, or what is built in.
struct BuildInput {
    std::string name;
    std::span<const u8> bytes;
};

struct BuildRecord {
    const BuildOptions& options;
    const GuestContents& contents;
    BuildInput stub;
    BuildInput payload; // where there is one
    BuildInput initrd;
    std::string entry; // as on the command line
    std::string out;
    const BuiltFile& file;
};

/// One JSON object.
std::string build_manifest(const BuildRecord& record);

} // namespace vestibule::igvm
