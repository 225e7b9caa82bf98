// SPDX-License-Identifier: BSD-2-Clause-Patent
// EFI's memory map in the terms of ACPI, as kernels take it.
#include "efi/memory_map.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <random>
#include <vector>

namespace vestibule::efi {
namespace {

using kernel::MemoryType;

struct Row {
    u32 type;
    u64 base;
    u64 pages;
};

constexpr u64 stride = 48; // as firmware has it: more than the structure

constexpr InUse nothing{};

std::vector<u8> map_of(const std::vector<Row>& rows) {
    std::vector<u8> map(rows.size() * stride, 0xCC);
    for (u64 i = 0; i < rows.size(); ++i) {
        EFI_MEMORY_DESCRIPTOR descriptor{};
        descriptor.Type          = rows[i].type;
        descriptor.PhysicalStart = rows[i].base;
        descriptor.NumberOfPages = rows[i].pages;
        std::memcpy(map.data() + i * stride, &descriptor, sizeof(descriptor));
    }
    return map;
}

std::vector<MemoryRange> convert(const std::vector<Row>& rows, const InUse& in_use = nothing) {
    const auto map = map_of(rows);
    std::vector<MemoryRange> ranges(most_ranges(rows.size()));
    ranges.resize(convert_map({map.data(), map.size()}, stride, in_use, ranges.data()));
    return ranges;
}

void expect(const std::vector<MemoryRange>& found, const std::vector<MemoryRange>& wanted) {
    ASSERT_EQ(found.size(), wanted.size());
    for (u64 i = 0; i < found.size(); ++i) {
        EXPECT_EQ(found[i].base, wanted[i].base) << i;
        EXPECT_EQ(found[i].size, wanted[i].size) << i;
        EXPECT_EQ(found[i].type, wanted[i].type) << i;
        EXPECT_EQ(found[i].reserved, 0u) << i;
    }
}

TEST(EfiMemoryMap, Types) {
    using enum MemoryType;
    // By EFI's numbers (UEFI specification 2.10, table 7.10).
    constexpr MemoryType types[] = {reserved, ram,      ram,      ram,      ram,
                                    reserved, reserved, ram,      unusable, acpi,
                                    nvs,      reserved, reserved, reserved, persistent};
    for (u32 type = 0; type < std::size(types); ++type) {
        expect(convert({
                   {type, 0x1000, 3}
        }),
               {{0x1000, 0x3000, types[type], 0}});
    }
    expect(convert({
               {0x8000'0000, 0x1000, 1}
    }),
           {{0x1000, 0x1000, reserved, 0}});
}

TEST(EfiMemoryMap, WhatIsFreeLater) {
    const auto free = [](const std::vector<Row>& rows, u64 base, u64 end) {
        const auto map = map_of(rows);
        return is_free_later({map.data(), map.size()}, stride, {.base = base, .end = end});
    };
    // Not in order, and with the runtime's (6) and ACPI's (9) neighbours.
    const std::vector<Row> rows = {
        {7, 0x20'0000, 0x100           },
        {4, 0x10'0000, 0x100           },
        {6, 0x30'0000, 1               },
        {3, 0x30'1000, 1               },
        {9, 0x0F'F000, 1               },
        {7, 0x40'0000, ~u64{0} / 0x1000},
    };
    EXPECT_TRUE(free(rows, 0x10'0000, 0x30'0000));
    EXPECT_TRUE(free(rows, 0x1F'F000, 0x20'1000));
    EXPECT_TRUE(free(rows, 0x30'1000, 0x30'2000));
    EXPECT_FALSE(free(rows, 0x0F'F000, 0x10'1000)) << "ACPI's tables";
    EXPECT_FALSE(free(rows, 0x2F'F000, 0x30'2000)) << "the runtime's in the middle";
    EXPECT_FALSE(free(rows, 0x30'1000, 0x30'3000)) << "its end is nowhere";
    EXPECT_FALSE(free(rows, 0x00'0000, 0x00'1000)) << "nowhere";
    EXPECT_FALSE(free(rows, 0x40'0000, 0x40'1000)) << "a descriptor that ends beyond 2^64";
    EXPECT_FALSE(free({}, 0x40'0000, 0x40'1000)) << "no map";
}

TEST(EfiMemoryMap, AscendsAndMerges) {
    using enum MemoryType;
    expect(convert({
               {7, 0x10'0000, 0x10},
               {4, 0x1000,    1   },
               {7, 0x2000,    1   },
               {0, 0x3000,    1   },
               {9, 0x11'0000, 1   },
               {3, 0x11'1000, 1   },
               {2, 0x11'3000, 1   },
               {7, 0x9000,    0   }
    }),
           {{0x1000, 0x2000, ram, 0},
            {0x3000, 0x1000, reserved, 0},
            {0x10'0000, 0x1'0000, ram, 0},
            {0x11'0000, 0x1000, acpi, 0},
            {0x11'1000, 0x1000, ram, 0},
            {0x11'3000, 0x1000, ram, 0}});
    expect(convert({}), {});
}

TEST(EfiMemoryMap, NoMemoryBeyondTheEnd) {
    expect(
        convert({
            {7, 0x1000,      ~u64{0} >> 12},
            {7, ~u64{0xFFF}, 1            },
            {7, 0x1000,      bit(52)      },
            {7, 0x5000,      1            }
    }),
        {{0x5000, 0x1000, MemoryType::ram, 0}});
}

TEST(EfiMemoryMap, MemoryInUse) {
    using enum MemoryType;
    const InUse in_use{
        .extents = {{0x8000, 0x9000}, {0x2000, 0x4000}, {0xF000, 0x11000}}
    };
    expect(convert(
               {
                   {7, 0x1000,  0xF},
                   {1, 0x10000, 2  }
    },
               in_use),
           {{0x1000, 0x1000, ram, 0},
            {0x2000, 0x2000, reserved, 0},
            {0x4000, 0x4000, ram, 0},
            {0x8000, 0x1000, reserved, 0},
            {0x9000, 0x6000, ram, 0},
            {0xF000, 0x2000, reserved, 0},
            {0x11000, 0x1000, ram, 0}});
    // Under another name.
    InUse private_too = in_use;
    private_too.type  = acpi;
    expect(convert(
               {
                   {7, 0x1000, 4}
    },
               private_too),
           {{0x1000, 0x1000, ram, 0}, {0x2000, 0x2000, acpi, 0}, {0x4000, 0x1000, ram, 0}});
    // All of a descriptor's memory, and what the firmware keeps beside it.
    expect(convert(
               {
                   {2, 0x2000, 2},
                   {6, 0x4000, 1}
    },
               in_use),
           {{0x2000, 0x3000, reserved, 0}});
}

/// However many there are and however they lie, there is room for the ranges, and of memory in use
/// nothing is RAM.
TEST(EfiMemoryMap, NeverTooMany) {
    std::mt19937 random(1); // NOLINT: the same every time
    u64 cut = 0;
    for (int run = 0; run < 2'000; ++run) {
        std::vector<Row> rows;
        u64 at = 0;
        for (u64 i = random() % 8 + 1; i != 0; --i) {
            const u64 pages = random() % 8;
            rows.push_back({static_cast<u32>(random() % 16), at, pages});
            at += (pages + random() % 2) * page_size;
        }
        std::ranges::shuffle(rows, random);
        InUse in_use{};
        for (Extent& extent : in_use.extents) {
            extent.base = random() % 32 * page_size;
            extent.end  = extent.base + random() % 8 * page_size;
        }
        const auto map = map_of(rows);
        std::vector<MemoryRange> ranges(most_ranges(rows.size()));
        const u32 count = convert_map({map.data(), map.size()}, stride, in_use, ranges.data());
        ASSERT_LE(count, ranges.size());
        cut += count > rows.size() ? 1 : 0;
        u64 end = 0;
        for (u32 i = 0; i < count; ++i) {
            ASSERT_GE(ranges[i].base, end);
            end = ranges[i].base + ranges[i].size;
            for (const Extent& extent : in_use.extents) {
                EXPECT_FALSE(ranges[i].type == MemoryType::ram && ranges[i].base < extent.end
                             && extent.base < end && extent.base != extent.end);
            }
        }
    }
    EXPECT_GT(cut, 200u);
}

} // namespace
} // namespace vestibule::efi
