// SPDX-License-Identifier: BSD-2-Clause-Patent
// Starting the application, \EFI\vestibule\vestibule.efi of the volume that this one was loaded
// from, as boot loaders do (UEFI specification 2.10, sections 7.4.1, 7.4.2 and 10.3).
#pragma once

#include "efi/efi.h"

extern "C" {
void* memcpy(void* to, const void* from, size_t size); // efi/runtime.cpp
}

namespace vestibule::efi_test {

/// A protocol of a handle, or nullptr.
template <class Protocol>
Protocol* protocol_of(EFI_BOOT_SERVICES& services, EFI_HANDLE handle, EFI_GUID guid) {
    void* found = nullptr;
    return services.HandleProtocol(handle, &guid, &found) == EFI_SUCCESS
               ? static_cast<Protocol*>(found)
               : nullptr;
}

/// A node of a device path (section 10.3.1).
struct [[gnu::packed]] Node {
    static constexpr u8 end = 0x7F; // the type of the last one

    u8 type;
    u8 subtype;
    u16 size;
};

/// The file, and the path's end.
struct [[gnu::packed]] FilePath {
    static constexpr u8 media = 4;
    static constexpr u8 file  = 4;

    Node node{.type = media, .subtype = file, .size = sizeof(Node) + sizeof(name)};
    char16_t name[29] = u"\\EFI\\vestibule\\vestibule.efi";
    Node last{.type = Node::end, .subtype = 0xFF, .size = sizeof(Node)};
};

/// Loads the application into `application`, for StartImage; `image` is this one's handle.
inline EFI_STATUS load_application(EFI_BOOT_SERVICES& services, EFI_HANDLE image,
                                   EFI_HANDLE& application) {
    constexpr EFI_GUID loaded_image = {
        0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}
    };
    constexpr EFI_GUID device_path = {
        0x09576e91, 0x6d3f, 0x11d2, {0x8e, 0x39, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}
    };
    const auto* loaded = protocol_of<EFI_LOADED_IMAGE>(services, image, loaded_image);
    if (loaded == nullptr) {
        return EFI_NOT_FOUND;
    }
    const auto* device = protocol_of<const u8>(services, loaded->DeviceHandle, device_path);
    u8 path[512];
    u64 size = 0;
    for (Node node{}; device != nullptr; size += node.size) {
        memcpy(&node, device + size, sizeof(node));
        if (node.type == Node::end || size + node.size + sizeof(FilePath) > sizeof(path)) {
            break;
        }
        memcpy(path + size, device + size, node.size);
    }
    const FilePath file;
    memcpy(path + size, &file, sizeof(file));
    return services.LoadImage(FALSE, image, reinterpret_cast<EFI_DEVICE_PATH*>(path), nullptr, 0,
                              &application);
}

} // namespace vestibule::efi_test
