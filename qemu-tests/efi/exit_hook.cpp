// SPDX-License-Identifier: BSD-2-Clause-Patent
// Starts the application (\EFI\vestibule\vestibule.efi) on firmware whose ExitBootServices refuses:
// -DREFUSALS times, each after a change of the memory map, as event handlers of the firmware's may
// make it (UEFI specification 2.10, section 7.4.6). The change is of -DFRAGMENTS descriptors.
#include "efi/efi.h"

using namespace vestibule;

namespace {

constinit EFI_BOOT_SERVICES* services           = nullptr;
constinit EFI_EXIT_BOOT_SERVICES firmwares_exit = nullptr;
constinit unsigned refusals                     = REFUSALS;

constexpr EFI_GUID loaded_image_guid = {
    0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}
};
constexpr EFI_GUID device_path_guid = {
    0x09576e91, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}
};

EFI_STATUS EFIAPI refuse_first(EFI_HANDLE image, UINTN key) {
    if (refusals == 0) {
        return firmwares_exit(image, key);
    }
    --refusals;
    for (unsigned n = 0; n < FRAGMENTS; ++n) { // of two types in turn, so that none join
        EFI_PHYSICAL_ADDRESS page = 0;
        (void)services->AllocatePages(AllocateAnyPages,
                                      n % 2 == 0 ? EfiBootServicesData : EfiLoaderData, 1, &page);
    }
    return EFI_INVALID_PARAMETER;
}

template <class Protocol>
Protocol* protocol(EFI_HANDLE handle, EFI_GUID guid) {
    void* found = nullptr;
    return services->HandleProtocol(handle, &guid, &found) == EFI_SUCCESS
               ? static_cast<Protocol*>(found)
               : nullptr;
}

/// A node of a device path (section 10.3.1).
struct [[gnu::packed]] Node {
    u8 type;
    u8 subtype;
    u16 size;
};

constexpr u8 path_ends = 0x7F;

struct [[gnu::packed]] FilePath {
    static constexpr u8 media = 4;
    static constexpr u8 file  = 4;

    Node node{.type = media, .subtype = file, .size = sizeof(Node) + sizeof(name)};
    char16_t name[29] = u"\\EFI\\vestibule\\vestibule.efi";
    Node end{.type = path_ends, .subtype = 0xFF, .size = sizeof(Node)};
};

} // namespace

extern "C" {
void* memcpy(void* to, const void* from, size_t size); // efi/runtime.cpp
EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system);
}

EFI_STATUS efi_main(EFI_HANDLE image, EFI_SYSTEM_TABLE* system) {
    services           = system->BootServices;
    const auto* loaded = protocol<EFI_LOADED_IMAGE>(image, loaded_image_guid);
    if (loaded == nullptr) {
        return EFI_NOT_FOUND;
    }
    const auto* device = protocol<const u8>(loaded->DeviceHandle, device_path_guid);
    u8 path[512];
    u64 size = 0;
    for (Node node{}; device != nullptr; size += node.size) {
        memcpy(&node, device + size, sizeof(node));
        if (node.type == path_ends || size + node.size + sizeof(FilePath) > sizeof(path)) {
            break;
        }
        memcpy(path + size, device + size, node.size);
    }
    const FilePath file;
    memcpy(path + size, &file, sizeof(file));

    EFI_HANDLE application = nullptr;
    EFI_STATUS status = services->LoadImage(FALSE, image, reinterpret_cast<EFI_DEVICE_PATH*>(path),
                                            nullptr, 0, &application);
    if (status != EFI_SUCCESS) {
        return status;
    }
    firmwares_exit             = services->ExitBootServices;
    services->ExitBootServices = refuse_first;
    status                     = services->StartImage(application, nullptr, nullptr);
    services->ExitBootServices = firmwares_exit;
    return status;
}
