// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "igvm/image/memory_map.h"

#include <algorithm>

namespace vestibule::igvm {

using kernel::MemoryRange;
using kernel::MemoryType;

std::vector<MemoryRange> memory_map(std::span<const boot::MemoryRange> ram,
                                    std::span<const MemoryRange> in_use) {
    std::vector<MemoryRange> map(in_use.begin(), in_use.end());
    const auto add = [&](u64 first, u64 end) {
        if (first < end) {
            map.push_back(
                {.base = first, .size = end - first, .type = MemoryType::ram, .reserved = 0});
        }
    };
    for (const auto& [base, size] : ram) {
        u64 at = base;
        for (const MemoryRange& used : in_use) {
            if (used.base >= base && used.base < base + size) {
                add(at, used.base);
                at = used.base + used.size;
            }
        }
        add(at, base + size);
    }
    std::ranges::sort(map, {}, &MemoryRange::base);
    return map;
}

} // namespace vestibule::igvm
