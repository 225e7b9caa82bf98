// SPDX-License-Identifier: BSD-2-Clause-Patent
// The volume of variables at the beginning of a firmware's file, which both halves of sevsim look
// for: what is not flash is launched. Freestanding: no library beyond x86/types.h.
#pragma once

#include "x86/types.h"

#include <span>

namespace vestibule::sevsim {

/// How many bytes at the beginning of a firmware image are such a volume: 0 where it has none. Its
/// file system is EFI_SYSTEM_NV_DATA_FV_GUID (UEFI PI specification, volume 3, section 3.2.1): a
/// zero vector of 16 bytes, the GUID, the length.
inline u64 variables_size(std::span<const u8> image) {
    constexpr u8 nv_data_guid[] = {0x8D, 0x2B, 0xF1, 0xFF, 0x96, 0x76, 0x8B, 0x4C,
                                   0xA9, 0x85, 0x27, 0x47, 0x07, 0x5B, 0x4F, 0x50};
    constexpr u64 guid_offset   = 16;
    constexpr u64 size_offset   = 32;
    if (image.size() < page_size
        || __builtin_memcmp(image.data() + guid_offset, nv_data_guid, sizeof nv_data_guid) != 0) {
        return 0;
    }
    u64 size = 0;
    __builtin_memcpy(&size, image.data() + size_offset, sizeof size);
    return size % page_size == 0 && size < image.size() ? size : 0;
}

} // namespace vestibule::sevsim
