// SPDX-License-Identifier: BSD-2-Clause-Patent
// See own_image.h.
#include "efi/own_image.h"

#include "efi/firmware.h"

namespace vestibule::efi {

kernel::Bytes own_image() {
    constexpr EFI_GUID loaded_image_guid = {
        0x5b1b31a1, 0x9562, 0x11d2, {0x8e, 0x3f, 0x00, 0xa0, 0xc9, 0x69, 0x72, 0x3b}
    };
    const auto* loaded = protocol<EFI_LOADED_IMAGE>(firmware.image, loaded_image_guid);
    if (loaded == nullptr || loaded->ImageBase == nullptr) {
        return {};
    }
    return {static_cast<const u8*>(loaded->ImageBase), loaded->ImageSize};
}

bool carries_kernel(kernel::Bytes image) {
    return image.data != nullptr && kernel::is_pe(image)
           && kernel::section_of(image, ".linux", kernel::Sections::in_memory).size != 0;
}

} // namespace vestibule::efi
