#include "igvm/image/memory_map.h"

#include <algorithm>

namespace vestibule::igvm {

using kernel::MemoryType;

std::vector<kernel::MemoryRange> memory_map(u64 memory,
                                            std::span<const kernel::MemoryRange> in_use) {
    std::vector<kernel::MemoryRange> map;
    const auto add = [&](u64 first, u64 end, MemoryType type) {
        if (first < end) {
            map.push_back({.base = first, .size = end - first, .type = type, .reserved = 0});
        }
    };

    struct Ram {
        u64 first;
        u64 end;
    };

    for (const auto& [first, end] : {
             Ram{.first = 0,                         .end = kernel::low_memory_end},
             Ram{.first = kernel::high_memory_start, .end = memory                }
    }) {
        u64 at = first;
        for (const kernel::MemoryRange& used : in_use) {
            if (used.base >= first && used.base < end) {
                add(at, used.base, MemoryType::ram);
                add(used.base, used.base + used.size, used.type);
                at = used.base + used.size;
            }
        }
        add(at, end, MemoryType::ram);
    }
    return map;
}

} // namespace vestibule::igvm
