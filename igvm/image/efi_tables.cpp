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

/// struct efi_unaccepted_memory: a bit for each unit that is not accepted yet.
struct UnacceptedMemory {
    static constexpr u64 most = u64{4} << 30;

    u32 version   = 1;
    u32 unit_size = x86::large_page_size;
    u64 base      = 0;
    u64 size      = sizeof bitmap; // in bytes
    u8 bitmap[most / x86::large_page_size / 8]{};
};

static_assert(offsetof(UnacceptedMemory, bitmap) == 24);

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
    UnacceptedMemory unaccepted;
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

std::optional<EfiTables> make_efi_tables(u64 gpa, std::span<const kernel::MemoryRange> map,
                                         std::span<const boot::MemoryRange> unaccepted) {
    Page page{
        .system        = {.header_size     = sizeof(SystemTable),
                          .firmware_vendor = gpa + offsetof(Page, vendor),
                          .tables          = gpa + offsetof(Page, configuration)},
        .configuration = {.table = gpa + offsetof(Page, unaccepted)},
        .vendor        = u"Vestibule",
        .unaccepted    = {},
        .map           = {}
    };
    std::vector<Descriptor> descriptors;
    for (const kernel::MemoryRange& range : map) {
        descriptors.push_back(
            {.type = type_of(range.type), .base = range.base, .pages = range.size / page_size});
    }
    for (const boot::MemoryRange& range : unaccepted) {
        descriptors.push_back(
            {.type = unaccepted_15, .base = range.base, .pages = range.size / page_size});
        for (u64 at = range.base; at < range.base + range.size; at += x86::large_page_size) {
            const u64 unit = at / x86::large_page_size;
            page.unaccepted.bitmap[unit / 8] |= static_cast<u8>(1u << (unit % 8));
        }
    }
    if (descriptors.size() > std::size(page.map)) {
        return std::nullopt;
    }
    std::ranges::sort(descriptors, {}, &Descriptor::base);
    std::ranges::copy(descriptors, page.map);
    EfiTables tables{
        .page = {},
        .told = {.system_table       = gpa,
                 .memory_map         = gpa + offsetof(Page, map),
                 .memory_map_size    = descriptors.size() * sizeof(Descriptor),
                 .descriptor_size    = sizeof(Descriptor),
                 .descriptor_version = 1}
    };
    std::memcpy(tables.page.data(), &page, sizeof page);
    return tables;
}

} // namespace vestibule::igvm
