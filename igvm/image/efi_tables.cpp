// SPDX-License-Identifier: BSD-2-Clause-Patent
// See efi_tables.h.
#include "igvm/image/efi_tables.h"

#include "x86/page_table.h"

#include <algorithm>
#include <cstring>
#include <string_view>
#include <vector>

namespace vestibule::igvm {

namespace {

/// Section 4.3.1; pointers that there are none for are 0.
struct SystemTable {
    u64 signature = 0x5453'5953'2049'4249; // "IBI SYST"
    u32 revision  = 0x0002'0046;           // 2.7
    u32 header_size;
    u32 crc32     = 0; // nobody looks
    u32 reserved0 = 0;
    u64 firmware_vendor;
    u32 firmware_revision = 0;
    u32 reserved1         = 0;
    u64 consoles_and_services[8]{};
    u64 table_count = 1;
    u64 tables;
};

static_assert(sizeof(SystemTable) == 120);

/// Section 4.6.
struct ConfigurationTable {
    u8 guid[16] = {0x3C, 0xDE, 0xD1, 0xD5, 0x5C, 0x10, 0xF9, 0x44,  // D5D1DE3C-105C-44F9-
                   0x9E, 0xA9, 0xBC, 0xEF, 0x98, 0x12, 0x00, 0x31}; // 9EA9-BCEF98120031
    u64 table;
};

/// struct efi_unaccepted_memory, before its bitmap.
struct UnacceptedMemory {
    u32 version   = 1;
    u32 unit_size = x86::large_page_size;
    u64 base      = 0;
    u64 size; // of the bitmap, in bytes
};

static_assert(sizeof(UnacceptedMemory) == 24);

constexpr u64 memory_of_byte = u64{8} * x86::large_page_size;

/// Of memory that ends there, a bit for each unit; of no less than 4 GiB.
constexpr u64 bitmap_size(u64 memory_end) {
    constexpr u64 least = (u64{4} << 30) / memory_of_byte;
    return std::max(least, (memory_end + memory_of_byte - 1) / memory_of_byte);
}

/// Section 7.2.3.
struct Descriptor {
    u32 type;
    u32 reserved = 0;
    u64 base;
    u64 linear = 0;
    u64 pages;
    u64 attributes = 8; // write-back
    u64 padding    = 0; // as firmware has it, so that nobody takes the size for granted
};

static_assert(sizeof(Descriptor) == 48);

struct Page {
    SystemTable system;
    ConfigurationTable configuration;
    char16_t vendor[12];
    UnacceptedMemory unaccepted; // of memory up to 4 GiB, with its bitmap
    u8 bitmap[bitmap_size(0)];
    Descriptor map[75];
};

static_assert(sizeof(Page) <= page_size);

constexpr u32 reserved      = 0;
constexpr u32 conventional  = 7;
constexpr u32 acpi_reclaim  = 9;
constexpr u32 unaccepted_15 = 15;

u32 type_of(kernel::MemoryType type) {
    return type == kernel::MemoryType::ram    ? conventional
           : type == kernel::MemoryType::acpi ? acpi_reclaim
                                              : reserved;
}

} // namespace

/// Where what is unaccepted stands.
static u64 unaccepted_at(u64 memory_end) {
    const bool fits = bitmap_size(memory_end) <= sizeof(Page::bitmap);
    return fits ? offsetof(Page, unaccepted) : page_size;
}

u64 efi_tables_size(u64 memory_end) {
    const u64 end = unaccepted_at(memory_end) + sizeof(UnacceptedMemory) + bitmap_size(memory_end);
    return (end + page_size - 1) & ~(page_size - 1);
}

std::optional<EfiTables> make_efi_tables(u64 gpa, u64 memory_end,
                                         std::span<const kernel::MemoryRange> map,
                                         std::span<const boot::MemoryRange> unaccepted) {
    const u64 table = unaccepted_at(memory_end);
    Page page{
        .system        = {.header_size     = sizeof(SystemTable),
                          .firmware_vendor = gpa + offsetof(Page, vendor),
                          .tables          = gpa + offsetof(Page, configuration)},
        .configuration = {.table = gpa + table},
        .vendor        = u"Vestibule",
        .unaccepted    = {},
        .bitmap        = {},
        .map           = {}
    };
    std::vector<u8> bitmap(bitmap_size(memory_end));
    std::vector<Descriptor> descriptors;
    for (const kernel::MemoryRange& range : map) {
        descriptors.push_back(
            {.type = type_of(range.type), .base = range.base, .pages = range.size / page_size});
    }
    for (const boot::MemoryRange& range : unaccepted) {
        descriptors.push_back(
            {.type = unaccepted_15, .base = range.base, .pages = range.size / page_size});
        for (u64 at = range.base; at < range.base + range.size; at += x86::large_page_size) {
            bitmap[at / memory_of_byte] |= static_cast<u8>(1u << (at / x86::large_page_size % 8));
        }
    }
    if (descriptors.size() > std::size(page.map)) {
        return std::nullopt;
    }
    std::ranges::sort(descriptors, {}, &Descriptor::base);
    std::ranges::copy(descriptors, page.map);
    EfiTables tables{
        .pages = std::vector<u8>(efi_tables_size(memory_end)),
        .told  = {.system_table       = gpa,
                  .memory_map         = gpa + offsetof(Page, map),
                  .memory_map_size    = descriptors.size() * sizeof(Descriptor),
                  .descriptor_size    = sizeof(Descriptor),
                  .descriptor_version = 1}
    };
    const UnacceptedMemory head{.size = bitmap.size()};
    std::memcpy(tables.pages.data(), &page, sizeof page);
    std::memcpy(&tables.pages[table], &head, sizeof head);
    std::ranges::copy(bitmap,
                      tables.pages.begin() + static_cast<std::ptrdiff_t>(table + sizeof head));
    return tables;
}

} // namespace vestibule::igvm
