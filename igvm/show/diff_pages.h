// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where two files fill one platform's guest memory differently. Part of diff.h.
#pragma once

#include "igvm/format/reader.h"
#include "igvm/show/named_range.h"

#include <string>
#include <vector>

namespace vestibule::igvm {

struct PageDifference {
    std::string where;
    std::string
        part; // by `names`; they are no stretch with pages of another name // "0x201000..0x203000"
    std::string left;
    std::string right;
};

/// By address; neighbours that differ alike are one.
std::vector<PageDifference> diff_pages(const File& left, u32 left_mask, const File& right,
                                       u32 right_mask, const std::vector<NamedRange>& names);

} // namespace vestibule::igvm
