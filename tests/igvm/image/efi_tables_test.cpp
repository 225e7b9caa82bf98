// SPDX-License-Identifier: BSD-2-Clause-Patent
// The page of EFI that a Linux kernel accepts memory by, read as Linux reads it.
#include "igvm/image/efi_tables.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

namespace vestibule::igvm::test {

using boot::MemoryRange;
using kernel::MemoryType;

namespace {

constexpr u64 gpa = 0x20'F000;

template <class T>
T at(const EfiTables& tables, u64 address) {
    T value;
    std::memcpy(&value, &tables.pages.at(address - gpa), sizeof value);
    return value;
}

std::vector<kernel::MemoryRange> map_of(u64 count) {
    std::vector<kernel::MemoryRange> map;
    map.reserve(count);
    for (u64 n = 0; n < count; ++n) {
        map.push_back({.base     = n * 0x10'0000,
                       .size     = 0x1000,
                       .type     = n == 1 ? MemoryType::acpi : MemoryType::ram,
                       .reserved = 0});
    }
    return map;
}

} // namespace

TEST(IgvmEfiTables, NameWhatIsNotAccepted) {
    const MemoryRange unaccepted[] = {
        {.base = 0x40'0000,   .size = 0x20'0000  },
        {.base = 0x1000'0000, .size = 0x1000'0000}
    };
    const auto tables = make_efi_tables(gpa, u64{4} << 30, map_of(3), unaccepted);
    ASSERT_TRUE(tables);
    EXPECT_EQ(tables->pages.size(), page_size);
    EXPECT_EQ(tables->told.system_table, gpa);
    EXPECT_EQ(at<u64>(*tables, gpa), 0x5453'5953'2049'4249U);
    EXPECT_EQ(at<u64>(*tables, gpa + 0x58), 0U) << "no runtime services";
    EXPECT_EQ(at<u64>(*tables, gpa + 0x68), 1U) << "one table";
    const u64 configuration = at<u64>(*tables, gpa + 0x70);
    EXPECT_EQ(at<u32>(*tables, configuration), 0xD5D1'DE3CU);
    EXPECT_EQ(at<u32>(*tables, configuration + 12), 0x3100'1298U);

    const u64 memory = at<u64>(*tables, configuration + 16);
    EXPECT_EQ(memory % 8, 0U);
    EXPECT_EQ(at<u32>(*tables, memory), 1U) << "the version";
    EXPECT_EQ(at<u32>(*tables, memory + 4), 0x20'0000U) << "a unit";
    EXPECT_EQ(at<u64>(*tables, memory + 8), 0U) << "from address 0 on";
    const u64 size = at<u64>(*tables, memory + 16);
    EXPECT_EQ(size, 256U) << "up to 4 GiB";
    unsigned bits = 0;
    for (u64 unit = 0; unit < size * 8; ++unit) {
        const bool is_set    = (at<u8>(*tables, memory + 24 + unit / 8) >> (unit % 8) & 1) != 0;
        const bool is_wanted = unit == 2 || (unit >= 128 && unit < 256);
        EXPECT_EQ(is_set, is_wanted) << unit;
        bits += is_set ? 1 : 0;
    }
    EXPECT_EQ(bits, 129U);

    struct Row {
        u32 type;
        u64 base;
        u64 pages;
    };

    const Row rows[] = {
        {7,  0,           1      },
        {9,  0x10'0000,   1      },
        {7,  0x20'0000,   1      },
        {15, 0x40'0000,   0x200  },
        {15, 0x1000'0000, 0x10000}
    };
    const u32 step = tables->told.descriptor_size;
    ASSERT_EQ(tables->told.memory_map_size, std::size(rows) * step);
    EXPECT_EQ(step, 48U);
    EXPECT_EQ(tables->told.descriptor_version, 1U);
    for (u64 n = 0; n < std::size(rows); ++n) {
        const u64 descriptor = tables->told.memory_map + n * step;
        EXPECT_EQ(at<u32>(*tables, descriptor), rows[n].type) << n;
        EXPECT_EQ(at<u64>(*tables, descriptor + 8), rows[n].base) << n;
        EXPECT_EQ(at<u64>(*tables, descriptor + 24), rows[n].pages) << n;
    }
}

TEST(IgvmEfiTables, MoreRangesThanThePageHolds) {
    for (const u64 end : {u64{1} << 30, u64{1} << 40}) {
        EXPECT_TRUE(make_efi_tables(gpa, end, map_of(75), {}));
        EXPECT_FALSE(make_efi_tables(gpa, end, map_of(76), {}));
    }
}

/// The bitmap has no room on the first page then.
TEST(IgvmEfiTables, MemoryFromFourGibOn) {
    constexpr u64 gib = u64{1} << 30;
    for (const u64 end : {4 * gib + 0x20'0000, 17 * gib, 1025 * gib}) {
        const MemoryRange unaccepted[] = {
            {.base = 2 * gib, .size = gib          },
            {.base = 4 * gib, .size = end - 4 * gib}
        };
        const auto tables = make_efi_tables(gpa, end, map_of(3), unaccepted);
        ASSERT_TRUE(tables);
        const u64 memory = at<u64>(*tables, at<u64>(*tables, gpa + 0x70) + 16);
        EXPECT_EQ(memory, gpa + page_size);
        EXPECT_EQ(at<u32>(*tables, memory), 1U) << "the version";
        EXPECT_EQ(at<u32>(*tables, memory + 4), 0x20'0000U) << "a unit";
        const u64 size = at<u64>(*tables, memory + 16);
        EXPECT_GE(size * 8 * 0x20'0000, end);
        EXPECT_LT((size - 1) * 8 * 0x20'0000, end);
        EXPECT_LE(page_size + 24 + size, tables->pages.size());
        EXPECT_EQ(tables->pages.size(), efi_tables_size(end));
        u64 wrong = 0;
        for (u64 unit = 0; unit < size * 8; ++unit) {
            const u64 base    = unit * 0x20'0000;
            const bool is_set = (at<u8>(*tables, memory + 24 + unit / 8) >> (unit % 8) & 1) != 0;
            wrong +=
                is_set != ((base >= 2 * gib && base < 3 * gib) || (base >= 4 * gib && base < end))
                    ? 1
                    : 0;
        }
        EXPECT_EQ(wrong, 0U) << end;
        EXPECT_EQ(at<u64>(*tables, tables->told.memory_map + u64{4} * 48 + 24),
                  (end - 4 * gib) >> 12);
    }
}

} // namespace vestibule::igvm::test
