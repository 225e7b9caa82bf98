// SPDX-License-Identifier: BSD-2-Clause-Patent
// The end of boot services (UEFI specification 2.10, section 7.4.6): the memory map, and
// ExitBootServices with its key.
#pragma once

#include "efi/memory_map.h"
#include "efi/moves.h"
#include "efi/pages.h"
#include "efi/problem.h"

namespace vestibule::efi {

class Departure {
  public:
    /// Takes memory for the map, below 4 GiB, so that the payload can read it; as long as there may
    /// be other allocations the map itself is not worth having.
    Problem prepare();

    /// Gets the map and ends boot services, unless the map says that the firmware keeps memory to
    /// which something is to be moved. Where they did not end, only the services for memory may be
    /// used any more.
    Problem exit_boot_services(const Moves& moves);

    /// What the map calls the memory at an address; EfiMaxMemoryType where it knows nothing of it.
    [[nodiscard]] u32 type_at(u64 address) const;

    [[nodiscard]] u64 map() const { return map_.base(); }

    /// Room behind the map, page-aligned, in which the map in a kernel's terms can be made, of
    /// most_ranges() of what descriptors there are: by then there is nobody to ask for memory.
    [[nodiscard]] u64 behind_map() const { return map_.base() + room_; }

    /// Makes it there, or wherever else there is that much room. `stub` and `told` stay in use, as
    /// does the map: `in_use` is what they are called. Returns how many ranges there are.
    u32 convert(Extent stub, Extent told, kernel::MemoryType in_use, MemoryRange* ranges) const;

    [[nodiscard]] u64 map_size() const { return size_; }

    [[nodiscard]] u64 descriptor_size() const { return descriptor_size_; }

    [[nodiscard]] u32 descriptor_version() const { return descriptor_version_; }

  private:
    /// Takes memory for a map of so many bytes and what may be added to it.
    bool allocate(u64 size);

    Pages map_;
    u64 room_                  = 0; // of it for the map itself
    UINTN size_                = 0;
    UINTN descriptor_size_     = 0;
    UINT32 descriptor_version_ = 0;
};

} // namespace vestibule::efi
