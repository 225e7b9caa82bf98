// SPDX-License-Identifier: BSD-2-Clause-Patent
// See snp_memory.h.
#include "igvm/image/snp_memory.h"

#include "x86/page_table.h"

#include <algorithm>

namespace vestibule::igvm {

using boot::MemoryRange;

namespace {

/// What Linux needs of low memory: room for what its further processors start on, and what it looks
/// through for a PC's firmware (drivers/firmware/iscsi_ibft_find.c: from 512 KiB on). Behind the
/// last of the two lies what stands in for ROMs; zeros are accepted for them.
constexpr MemoryRange low_memory[] = {
    {.base = 0,        .size = 0x4'0000},
    {.base = 0x8'0000, .size = 0x2'0000}
};
constexpr MemoryRange rom{.base = 0xC'0000, .size = 0x4'0000};

constexpr u64 end_of(const MemoryRange& range) { return range.base + range.size; }

bool overlap(const MemoryRange& one, const MemoryRange& other) {
    return one.base < end_of(other) && other.base < end_of(one);
}

/// Ascending, and one where several touch.
std::vector<MemoryRange> merged(std::vector<MemoryRange> ranges) {
    std::ranges::sort(ranges, {}, &MemoryRange::base);
    std::vector<MemoryRange> result;
    for (const MemoryRange& range : ranges) {
        if (range.size == 0) {
            continue;
        }
        if (!result.empty() && end_of(result.back()) >= range.base) {
            MemoryRange& last = result.back();
            last.size         = std::max(end_of(last), end_of(range)) - last.base;
        } else {
            result.push_back(range);
        }
    }
    return result;
}

/// Of 2 MiB each, but for the first one, which holds what is no memory.
std::vector<MemoryRange> whole_blocks(std::span<const MemoryRange> ram) {
    constexpr u64 mask = x86::large_page_size - 1;
    std::vector<MemoryRange> blocks;
    for (const MemoryRange& range : ram) {
        for (u64 base = std::max<u64>((range.base + mask) & ~mask, x86::large_page_size);
             base + x86::large_page_size <= end_of(range); base += x86::large_page_size) {
            blocks.push_back({.base = base, .size = x86::large_page_size});
        }
    }
    return blocks;
}

} // namespace

std::vector<MemoryRange> SnpMemory::usable() const {
    std::vector<MemoryRange> all = loaded;
    for (MemoryRange range : accepted) {
        if (range.base == rom.base) { // a payload may begin right behind
            range = {.base = end_of(rom), .size = range.size - rom.size};
        }
        all.push_back(range);
    }
    return merged(std::move(all));
}

std::vector<MemoryRange> SnpMemory::ram() const {
    std::vector<MemoryRange> all = usable();
    std::ranges::copy(unaccepted, std::back_inserter(all));
    return merged(std::move(all));
}

SnpMemory snp_memory(const Layout& layout, const BuildOptions& options,
                     const GuestContents& contents) {
    const MemoryRange region{.base = layout.at.base, .size = x86::large_page_size};
    SnpMemory memory;
    for (const Placed& placed : layout.pages) {
        const MemoryRange range{.base = placed.gpa, .size = whole_pages(placed.content.size())};
        if (!overlap(range, region) && placed.part != Part::service
            && placed.platform.value_or(PlatformType::sev_snp) == PlatformType::sev_snp) {
            memory.loaded.push_back(range);
        }
    }
    memory.loaded = merged(std::move(memory.loaded));

    std::vector<MemoryRange> accepted;
    MemoryRange payload{};
    if (contents.payload != nullptr) {
        payload = {.base = contents.payload->base, .size = whole_pages(contents.payload->size)};
        accepted.push_back(payload);
    }
    const bool leaves_rest = options.accepts_payload;
    if (contents.has_memory_map() || (options.tells_memory && !leaves_rest)) {
        for (const MemoryRange& block : whole_blocks(layout.at.ram)) {
            const auto touches = [&](const MemoryRange& range) { return overlap(block, range); };
            if (block.base != region.base && std::ranges::none_of(memory.loaded, touches)) {
                (leaves_rest && !touches(payload) ? memory.unaccepted : accepted).push_back(block);
            }
        }
    }
    if (contents.linux() != nullptr || options.direct_boot) {
        std::ranges::copy(low_memory, std::back_inserter(accepted));
        accepted.push_back(rom);
    }
    memory.accepted   = merged(std::move(accepted));
    memory.unaccepted = merged(std::move(memory.unaccepted));
    return memory;
}

} // namespace vestibule::igvm
