// SPDX-License-Identifier: BSD-2-Clause-Patent
// The zero page by the numbers of Linux's own documentation: an EFI machine, and memory maps longer
// than it has room for. What igvmtool puts there is tests/igvm/image's.
#include "kernel/zero_page.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <vector>

namespace vestibule::kernel {
namespace {

template <class T>
T at(const u8* bytes, u64 offset) {
    T value;
    std::memcpy(&value, bytes + offset, sizeof(T));
    return value;
}

TEST(KernelZeroPage, EfiMachine) {
    ZeroPage page;
    const LinuxTold told{
        .command_line = 0x1234,
        .initrd       = 0x8000'0000,
        .initrd_size  = 0x5000,
        .rsdp         = 0x7F0'1000,
        .confidential = {},
        .efi          = {.system_table       = 0x1'2000'0010,
                         .memory_map         = 0x7FE'3000,
                         .memory_map_size    = 0x1230,
                         .descriptor_size    = 48,
                         .descriptor_version = 1}
    };
    make_zero_page(kernel_without_header(), 0x5000, told, page);
    EXPECT_EQ(at<u64>(page, 0x70), 0x7F0'1000u) << "acpi_rsdp_addr";
    EXPECT_EQ(std::memcmp(page + 0x1C0, "EL64", 4), 0);
    EXPECT_EQ(at<u32>(page, 0x1C4), 0x2000'0010u);
    EXPECT_EQ(at<u32>(page, 0x1C8), 48u);
    EXPECT_EQ(at<u32>(page, 0x1CC), 1u);
    EXPECT_EQ(at<u32>(page, 0x1D0), 0x7FE'3000u);
    EXPECT_EQ(at<u32>(page, 0x1D4), 0x1230u);
    EXPECT_EQ(at<u32>(page, 0x1D8), 1u) << "efi_systab_hi";
    EXPECT_EQ(at<u32>(page, 0x1DC), 0u);
    EXPECT_EQ(page[0x1EF], 0) << "the sentinel";
    EXPECT_EQ(at<u32>(page, 0x218), 0x8000'0000u);
    EXPECT_EQ(at<u64>(page, 0x250), 0u) << "setup_data";
}

std::vector<MemoryRange> ranges_of(u32 count) {
    std::vector<MemoryRange> ranges;
    ranges.reserve(count);
    for (u32 i = 0; i < count; ++i) {
        ranges.push_back({.base     = u64{i} << 20,
                          .size     = page_size * (i + 1),
                          .type     = i % 2 == 0 ? MemoryType::ram : MemoryType::reserved,
                          .reserved = 0});
    }
    return ranges;
}

void expect_entry(const u8* entry, u32 i) {
    EXPECT_EQ(at<u64>(entry, 0), u64{i} << 20) << i;
    EXPECT_EQ(at<u64>(entry, 8), page_size * (i + 1)) << i;
    EXPECT_EQ(at<u32>(entry, 16), i % 2 + 1) << i;
}

TEST(KernelZeroPage, MemoryMaps) {
    for (const u32 count : {1u, 127u, 128u, 129u, 500u}) {
        ZeroPage page{};
        auto ranges = ranges_of(count);
        add_memory_map(ranges.data(), count, page);
        const u32 here = std::min(count, 128u);
        ASSERT_EQ(page[0x1E8], here);
        for (u32 i = 0; i < here; ++i) {
            expect_entry(page + 0x2D0 + u64{20} * i, i);
        }
        if (count == here) {
            EXPECT_EQ(at<u64>(page, 0x250), 0u) << "no setup_data";
            continue;
        }
        const auto* const data = reinterpret_cast<const u8*>(ranges.data());
        ASSERT_EQ(at<u64>(page, 0x250), reinterpret_cast<u64>(data));
        EXPECT_EQ(at<u64>(data, 0), 0u) << "the last";
        EXPECT_EQ(at<u32>(data, 8), 1u) << "SETUP_E820_EXT";
        ASSERT_EQ(at<u32>(data, 12), (count - 128) * 20);
        for (u32 i = 128; i < count; ++i) {
            expect_entry(data + 16 + u64{20} * (i - 128), i);
        }
    }
}

/// What was there already stays in the list.
TEST(KernelZeroPage, ListOfTwo) {
    ZeroPage page;
    LinuxTold told{};
    told.confidential = {.secrets_page = 0x7000, .cpuid_page = 0x8000};
    make_zero_page(kernel_without_header(), 0x5000, told, page);
    const u64 first = at<u64>(page, 0x250);
    auto ranges     = ranges_of(130);
    add_memory_map(ranges.data(), 130, page);
    EXPECT_EQ(at<u64>(reinterpret_cast<const u8*>(ranges.data()), 0), first);
    EXPECT_EQ(at<u32>(page, first - 0x5000 + 8), 7u) << "SETUP_CC_BLOB";
}

} // namespace
} // namespace vestibule::kernel
