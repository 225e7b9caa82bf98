// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/loading/linux_snp.h"

#include "sevsim/monitor/layout.h"
#include "sevsim/monitor/memory/memory.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/memory/reverse_map.h"
#include "sevsim/monitor/recording/outcome.h"
#include "sevsim/monitor/secure_processor/cpuid_page.h"
#include "sevsim/monitor/secure_processor/launch.h"

namespace vestibule::sevsim {

namespace {

using linux_boot::E820Entry;

// At the end of low memory, below what firmware reserves there.
constexpr u64 tables_gpa  = 0x9'A000; // blob and ACPI root pointer
constexpr u64 secrets_gpa = 0x9'B000;
constexpr u64 cpuid_gpa   = 0x9'C000;
constexpr u64 pages_end   = 0x9'D000;

// SeaBIOS's, where it looks for tables itself and where Linux would.
constexpr u64 rom_begin  = 0xC'0000;
constexpr u64 rsdp_begin = 0xE'0000;
constexpr u64 rom_end    = 0x10'0000;

/// struct cc_blob_sev_info.
struct Blob {
    u32 magic;
    u16 version;
    u16 reserved0;
    u64 secrets;
    u32 secrets_size;
    u32 reserved1;
    u64 cpuid;
    u32 cpuid_size;
    u32 reserved2;
};

/// struct setup_data, of the kind that leads to one.
struct [[gnu::packed]] SetupData {
    u64 next;
    u32 type;
    u32 length;
    u32 blob;

    static constexpr u32 cc_blob = 7;
};

struct Tables {
    SetupData setup_data;
    u8 padding[12];
    Blob blob;
    u8 rsdp[36]; // ACPI 2.0 (ACPI specification, section 5.2.5.3)
};

/// Takes a page's range out of usable memory, as ACPI tables, which Linux maps encrypted.
void keep(linux_boot::BootParameters& parameters, u64 begin, u64 end) {
    constexpr unsigned most = sizeof parameters.e820_table / sizeof(E820Entry);
    for (unsigned n = 0; n < parameters.e820_entries; ++n) {
        const E820Entry range = parameters.e820_table[n];
        const u64 range_end   = range.address + range.size;
        if (range.type != E820Entry::usable || range.address > begin || range_end < end
            || parameters.e820_entries + 2u > most) {
            continue;
        }
        memmove(&parameters.e820_table[n + 3], &parameters.e820_table[n + 1],
                (parameters.e820_entries - n - 1) * sizeof(E820Entry));
        parameters.e820_table[n]     = {range.address, begin - range.address, E820Entry::usable};
        parameters.e820_table[n + 1] = {begin, end - begin, E820Entry::acpi};
        parameters.e820_table[n + 2] = {end, range_end - end, E820Entry::usable};
        parameters.e820_entries      = static_cast<u8>(parameters.e820_entries + 2);
        return;
    }
    end_run_by_monitor_error("firmware's memory map leaves no room for the CPUID page");
}

/// Linux would look for it in memory that is not validated, so it is handed on.
bool find_rsdp(u8* to, size_t size) {
    for (u64 at = rsdp_begin; at < rom_end; at += 16) {
        if (memcmp(layout::at_physical(at), "RSD PTR ", 8) == 0) {
            memcpy(to, layout::at_physical(at), size);
            return true;
        }
    }
    return false;
}

} // namespace

void launch_for_linux(Vcpu& vcpu, linux_boot::BootParameters& parameters) {
    keep(parameters, tables_gpa, pages_end);
    auto& tables      = *reinterpret_cast<Tables*>(private_memory(tables_gpa));
    tables            = {};
    tables.setup_data = {.next   = 0,
                         .type   = SetupData::cc_blob,
                         .length = sizeof(u32),
                         .blob   = static_cast<u32>(tables_gpa + offsetof(Tables, blob))};
    tables.blob       = {.magic        = 0x4544'4D41, // "AMDE"
                         .version      = 1,
                         .reserved0    = 0,
                         .secrets      = secrets_gpa,
                         .secrets_size = page_size,
                         .reserved1    = 0,
                         .cpuid        = cpuid_gpa,
                         .cpuid_size   = page_size,
                         .reserved2    = 0};
    if (find_rsdp(tables.rsdp, sizeof tables.rsdp)) {
        parameters.acpi_rsdp_addr = tables_gpa + offsetof(Tables, rsdp);
    }
    fill_secrets_page(vcpu.options, private_memory(secrets_gpa));
    fill_cpuid_page(vcpu, private_memory(cpuid_gpa));
    parameters.header.setup_data = tables_gpa;
    // A kernel that was not started by EFI looks through the ROMs (drivers/firmware/
    // iscsi_ibft_find.c), so there is something: zeros.
    for (u64 page = rom_begin; page < rom_end; page += page_size) {
        memset(private_memory(page), 0, page_size);
    }
    reverse_map::launch(0, vcpu.options.map().end());
}

} // namespace vestibule::sevsim
