// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "kernel/zero_page.h"

#include "kernel/setup_header.h"

namespace vestibule::kernel {

namespace {

/// Other fields of struct boot_params.
namespace zero_page {
constexpr u64 acpi_rsdp_addr  = 0x070; // u64
constexpr u64 cc_blob_address = 0x13C; // u32
constexpr u64 efi_info        = 0x1C0;
constexpr u64 e820_entries    = 0x1E8; // u8
constexpr u64 e820_table      = 0x2D0;
/// Nobody's, up to the page's end (_pad9): the page has room for what setup_data points to.
constexpr u64 free = 0xF00;
} // namespace zero_page

struct [[gnu::packed]] E820Entry {
    u64 address;
    u64 size;
    MemoryType type;
};

static_assert(sizeof(E820Entry) == 20);

/// struct efi_info.
struct EfiInfo {
    static constexpr u32 loader_64 = 0x3436'4C45; // "EL64"

    u32 loader_signature;
    u32 system_table;
    u32 descriptor_size;
    u32 descriptor_version;
    u32 memory_map;
    u32 memory_map_size;
    u32 system_table_high;
    u32 memory_map_high;
};

static_assert(sizeof(EfiInfo) == 0x20);

/// struct cc_blob_sev_info.
struct CcBlob {
    static constexpr u32 magic_value = 0x4544'4D41; // "AMDE"

    u32 magic;
    u16 version;
    u16 reserved;
    u64 secrets_address;
    u32 secrets_size;
    u32 reserved_1;
    u64 cpuid_address;
    u32 cpuid_size;
    u32 reserved_2;
};

static_assert(sizeof(CcBlob) == 40);

/// struct setup_data.
struct SetupData {
    static constexpr u32 e820_extension = 1;
    static constexpr u32 cc_blob        = 7;

    u64 next;
    u32 type;
    u32 length; // of what follows
};

static_assert(sizeof(SetupData) == 16);

template <class T>
void store(ZeroPage& page, u64 offset, const T& value) {
    __builtin_memcpy(page + offset, &value, sizeof(T));
}

void tell_confidential(u64 gpa, const ConfidentialBlob& told, ZeroPage& page) {
    struct CcSetupData {
        SetupData head;
        u32 blob_address;
        u32 padding;
    };

    constexpr u64 data = zero_page::free;
    constexpr u64 blob = data + sizeof(CcSetupData);
    store(page, data,
          CcSetupData{
              .head         = {.next = 0, .type = SetupData::cc_blob, .length = sizeof(u32)},
              .blob_address = static_cast<u32>(gpa + blob),
              .padding      = 0
    });
    store(page, blob,
          CcBlob{.magic           = CcBlob::magic_value,
                 .version         = 0,
                 .reserved        = 0,
                 .secrets_address = told.secrets_page,
                 .secrets_size    = page_size,
                 .reserved_1      = 0,
                 .cpuid_address   = told.cpuid_page,
                 .cpuid_size      = page_size,
                 .reserved_2      = 0});
    store(page, setup::setup_data, gpa + data);
    store(page, zero_page::cc_blob_address, static_cast<u32>(gpa + blob));
}

void tell_efi(const EfiMachine& told, ZeroPage& page) {
    store(page, zero_page::efi_info,
          EfiInfo{.loader_signature   = EfiInfo::loader_64,
                  .system_table       = static_cast<u32>(told.system_table),
                  .descriptor_size    = told.descriptor_size,
                  .descriptor_version = told.descriptor_version,
                  .memory_map         = static_cast<u32>(told.memory_map),
                  .memory_map_size    = static_cast<u32>(told.memory_map_size),
                  .system_table_high  = static_cast<u32>(told.system_table >> 32),
                  .memory_map_high    = static_cast<u32>(told.memory_map >> 32)});
}

E820Entry entry_of(const MemoryRange& range) {
    return {.address = range.base, .size = range.size, .type = range.type};
}

/// struct setup_data of type SETUP_E820_EXT where the ranges were. An entry is smaller than a range
/// and the first ones are in the zero page already, so none is overwritten before it is read.
void extend_memory_map(MemoryRange* ranges, u32 count, ZeroPage& page) {
    auto* const extension = reinterpret_cast<u8*>(ranges);
    u64 at                = sizeof(SetupData);
    for (u32 i = most_zero_page_ranges; i != count; ++i, at += sizeof(E820Entry)) {
        const E820Entry entry = entry_of(ranges[i]);
        __builtin_memcpy(extension + at, &entry, sizeof(entry));
    }
    SetupData head{.next   = 0,
                   .type   = SetupData::e820_extension,
                   .length = static_cast<u32>(at - sizeof(SetupData))};
    __builtin_memcpy(&head.next, page + setup::setup_data, sizeof(head.next));
    __builtin_memcpy(extension, &head, sizeof(head));
    store(page, setup::setup_data, reinterpret_cast<u64>(extension));
}

} // namespace

void make_zero_page(const LinuxKernel& kernel, u64 gpa, const LinuxTold& told, ZeroPage& page) {
    __builtin_memset(page, 0, page_size);
    __builtin_memcpy(page + setup::start, kernel.header, kernel.header_size);
    store(page, setup::type_of_loader, setup::undefined_loader);
    store(page, setup::ramdisk_image, static_cast<u32>(told.initrd));
    store(page, setup::ramdisk_size, static_cast<u32>(told.initrd_size));
    store(page, setup::cmd_line_ptr, static_cast<u32>(told.command_line));
    store(page, setup::setup_data, u64{0});
    store(page, zero_page::acpi_rsdp_addr, told.rsdp);
    if (told.confidential.cpuid_page != 0) {
        tell_confidential(gpa, told.confidential, page);
    }
    if (told.efi.system_table != 0) {
        tell_efi(told.efi, page);
    }
}

void add_memory_map(MemoryRange* ranges, u32 count, ZeroPage& page) {
    const u32 here = count < most_zero_page_ranges ? count : most_zero_page_ranges;
    store(page, zero_page::e820_entries, static_cast<u8>(here));
    for (u32 i = 0; i != here; ++i) {
        store(page, zero_page::e820_table + i * sizeof(E820Entry), entry_of(ranges[i]));
    }
    if (here != count) {
        extend_memory_map(ranges, count, page);
    }
}

u64 memory_end(const ZeroPage& page, u64 limit) {
    const u32 told = page[zero_page::e820_entries];
    u64 end        = 0;
    for (u32 i = 0; i != told && i != most_zero_page_ranges; ++i) {
        E820Entry entry;
        __builtin_memcpy(&entry, page + zero_page::e820_table + i * sizeof(entry), sizeof(entry));
        if (entry.type == MemoryType::ram && entry.address < limit
            && entry.address + entry.size > end) {
            end = entry.address + entry.size;
        }
    }
    return end;
}

bool has_efi_machine(const ZeroPage& page) {
    EfiInfo info;
    __builtin_memcpy(&info, page + zero_page::efi_info, sizeof(info));
    return info.loader_signature == EfiInfo::loader_64;
}

} // namespace vestibule::kernel
