// SPDX-License-Identifier: BSD-2-Clause-Patent
// What lies where in one platform's guest memory, as boxes to draw: runs of pages, parameters,
// VMSAs, and the ranges that only promise something (required memory, regions to relocate).
#pragma once

#include "igvm/format/reader.h"
#include "igvm/show/named_range.h"

#include <string>
#include <vector>

namespace vestibule::igvm {

/// What a box is drawn as; the order is the legend's.
enum class Look : u8 {
    data,
    zero,
    secrets,
    cpuid,
    parameters,
    vmsa,
    error_range,
    mixed,
    required, // from here on in the background: others lie in them
    relocatable,
    page_tables,
};

constexpr bool is_background(Look look) { return look >= Look::required; }

struct MemoryBox {
    u64 first; // in pages
    u64 end;
    Look look;
    bool unmeasured; // on a platform that measures
    unsigned parts;  // directives, or runs of them
    u64 order;       // in the file
    std::string label;

    [[nodiscard]] u64 pages() const { return end - first; }
};

/// By address, each look in the file's order where they overlap. At most `limit` in the foreground:
/// beyond that the closest neighbours become one.
std::vector<MemoryBox> memory_boxes(const File& file, PlatformType platform, u64 limit,
                                    const std::vector<NamedRange>& names = {});

/// "13.54 MiB"
std::string size_text(u64 pages);

} // namespace vestibule::igvm
