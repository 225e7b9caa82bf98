// SPDX-License-Identifier: BSD-2-Clause-Patent
// Memory from the firmware (UEFI specification 2.10, section 7.2), given back when its owner goes:
// an application that returns must leave nothing behind, since the firmware goes on with its next
// boot entry. What the payload is to have is never given back: by then there is nobody to take it.
#pragma once

#include "efi/efi.h"

namespace vestibule::efi {

inline constexpr u64 four_gib = u64{1} << 32;

constexpr u64 pages_for(u64 bytes) { return (bytes + page_size - 1) / page_size; }

/// Memory from its first byte to behind its last one.
struct Extent {
    u64 base;
    u64 end;
};

class Pages {
  public:
    Pages() = default;

    Pages(const Pages&)            = delete;
    Pages& operator=(const Pages&) = delete;

    ~Pages() { release(); }

    /// Anywhere below `limit`, at most 4 GiB, which is all that the stub maps, at a multiple of
    /// `alignment`, a power of two from a page up.
    bool allocate(u64 bytes, u64 alignment = page_size, EFI_MEMORY_TYPE type = EfiLoaderData,
                  u64 limit = four_gib);

    /// At that address, which is a page's.
    bool allocate_at(u64 address, u64 bytes, EFI_MEMORY_TYPE type = EfiLoaderData);

    void release();

    [[nodiscard]] u64 base() const { return base_; }

    [[nodiscard]] u64 size() const { return count_ * page_size; }

    [[nodiscard]] Extent extent() const { return {.base = base_, .end = base_ + size()}; }

    template <class T = u8>
    [[nodiscard]] T* at(u64 offset = 0) const {
        return reinterpret_cast<T*>(base_ + offset);
    }

  private:
    u64 base_  = 0;
    u64 count_ = 0;
};

} // namespace vestibule::efi
