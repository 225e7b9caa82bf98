// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/firmware.h"

namespace vestibule::efi {

constinit Firmware firmware{};

namespace {

constexpr EFI_GUID acpi_20 = {
    0x8868e871, 0xe4f1, 0x11d3, {0xbc, 0x22, 0x00, 0x80, 0xc7, 0x3c, 0x88, 0x81}
};
constexpr EFI_GUID acpi_10 = {
    0xeb9d2d30, 0x2d88, 0x11d3, {0x9a, 0x16, 0x00, 0x90, 0x27, 0x3f, 0xc1, 0x4d}
};

struct StatusName {
    EFI_STATUS status;
    Text name;
};

constexpr StatusName status_names[] = {
    {EFI_LOAD_ERROR,        "load error"       },
    {EFI_INVALID_PARAMETER, "invalid parameter"},
    {EFI_UNSUPPORTED,       "unsupported"      },
    {EFI_BAD_BUFFER_SIZE,   "bad buffer size"  },
    {EFI_BUFFER_TOO_SMALL,  "buffer too small" },
    {EFI_NOT_READY,         "not ready"        },
    {EFI_DEVICE_ERROR,      "device error"     },
    {EFI_OUT_OF_RESOURCES,  "out of resources" },
    {EFI_VOLUME_CORRUPTED,  "volume corrupted" },
    {EFI_NO_MEDIA,          "no media"         },
    {EFI_MEDIA_CHANGED,     "media changed"    },
    {EFI_NOT_FOUND,         "not found"        },
    {EFI_ACCESS_DENIED,     "access denied"    },
};

} // namespace

u64 find_table(const EFI_GUID& guid) {
    for (UINTN i = 0; i < firmware.system->NumberOfTableEntries; ++i) {
        const EFI_CONFIGURATION_TABLE& table = firmware.system->ConfigurationTable[i];
        if (__builtin_memcmp(&table.VendorGuid, &guid, sizeof(guid)) == 0) {
            return reinterpret_cast<u64>(table.VendorTable);
        }
    }
    return 0;
}

u64 find_rsdp() {
    const u64 found = find_table(acpi_20);
    return found != 0 ? found : find_table(acpi_10);
}

Text name_of(EFI_STATUS status) {
    for (const StatusName& row : status_names) {
        if (row.status == status) {
            return row.name;
        }
    }
    return "another error";
}

} // namespace vestibule::efi
