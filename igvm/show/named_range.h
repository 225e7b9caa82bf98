// SPDX-License-Identifier: BSD-2-Clause-Patent
// Guest memory that has a name: the stub, the payload, its initrd. Who knows them is
// igvm/image/own_file.h, or a manifest; pictures and comparisons show them.
#pragma once

#include "igvm/format/format.h"

#include <algorithm>
#include <functional>
#include <string>
#include <vector>

namespace vestibule::igvm {

struct NamedRange {
    u64 gpa;
    u64 size;
    std::string name;
};

/// Of one platform's memory.
using NamesOf = std::function<std::vector<NamedRange>(PlatformType)>;

/// The name of what lies at an address, the first that has it; empty where nobody has one.
inline std::string name_at(const std::vector<NamedRange>& names, u64 gpa) {
    const auto found = std::ranges::find_if(
        names, [gpa](const NamedRange& range) { return gpa - range.gpa < range.size; });
    return found == names.end() ? std::string() : found->name;
}

} // namespace vestibule::igvm
