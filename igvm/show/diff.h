// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where two IGVM files differ, in terms of what they say: platforms, headers, pages of guest
// memory, registers by name, order. How the files lay out their data says nothing and is no
// difference.
#pragma once

#include "igvm/format/reader.h"
#include "igvm/show/named_range.h"

#include <string>
#include <vector>

namespace vestibule::igvm {

struct Difference {
    std::string_view kind; // "file", "platform", "part", "header", "pages", "register", "order"
    std::vector<PlatformType> platforms; // for which it is so; none for what belongs to all
    std::string where;
    std::string part; // of guest memory, by its name; empty where it has none
    std::string left; // empty where only the right file has it
    std::string right;
};

struct DiffResult {
    std::vector<Difference> differences;
    u64 unlisted = 0; // beyond those, in files that have nothing in common

    [[nodiscard]] bool same() const { return differences.empty(); }
};

/// `names` are those of both files.
DiffResult diff(const File& left, const File& right, const NamesOf& names = {});

} // namespace vestibule::igvm
