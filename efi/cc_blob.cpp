// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/cc_blob.h"

#include "efi/firmware.h"
#include "efi/pages.h"

namespace vestibule::efi {

namespace {

constexpr EFI_GUID cc_blob_guid = {
    0x067b1f5f, 0xcf26, 0x44c5, {0x85, 0x54, 0x93, 0xd7, 0x77, 0x91, 0x2d, 0x42}
};

struct Table {
    u32 magic;
    u16 version;
    u16 reserved;
    u64 secrets_address;
    u32 secrets_size;
    u32 reserved1;
    u64 cpuid_address;
    u32 cpuid_size;
    u32 reserved2;

    static constexpr u32 magic_value = 0x4544'4D41; // "AMDE"
};

static_assert(sizeof(Table) == 40);

constexpr bool is_low_page(u64 address, u32 size) {
    return address != 0 && address % page_size == 0 && address < four_gib && size >= page_size;
}

} // namespace

Problem find_cc_blob(CcBlob& found) {
    const u64 at = find_table(cc_blob_guid);
    if (at == 0) {
        return problem(Trouble::unsupported, "this is an SEV-SNP guest, and the firmware names no "
                                             "CPUID page (no CC blob in its configuration table)");
    }
    const auto& table = *reinterpret_cast<const Table*>(at);
    if (table.magic != Table::magic_value) {
        return problem(Trouble::damaged, "the firmware's CC blob begins with ", Hex{table.magic},
                       ", expected ", Hex{Table::magic_value});
    }
    if (!is_low_page(table.cpuid_address, table.cpuid_size)
        || !is_low_page(table.secrets_address, table.secrets_size)) {
        return problem(Trouble::damaged, "the firmware's CC blob has its CPUID page at ",
                       Hex{table.cpuid_address}, " and its secrets page at ",
                       Hex{table.secrets_address}, ", expected whole pages below 4 GiB");
    }
    found = {.cpuid_page = table.cpuid_address, .secrets_page = table.secrets_address};
    return no_problem;
}

} // namespace vestibule::efi
