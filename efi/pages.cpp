// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/pages.h"

#include "efi/firmware.h"

namespace vestibule::efi {

bool Pages::allocate(u64 bytes, u64 alignment, EFI_MEMORY_TYPE type, u64 limit) {
    release();
    // The firmware knows no alignment but a page's: so more than is wanted, and the ends go back,
    // which FreePages allows.
    const u64 wanted             = pages_for(bytes);
    const u64 slack              = alignment / page_size - 1;
    EFI_PHYSICAL_ADDRESS address = limit - 1;
    if (bytes > limit
        || services().AllocatePages(AllocateMaxAddress, type, wanted + slack, &address)
               != EFI_SUCCESS) {
        return false;
    }
    base_            = (address + alignment - 1) & ~(alignment - 1);
    count_           = wanted;
    const u64 before = (base_ - address) / page_size;
    if (before != 0) {
        (void)services().FreePages(address, before);
    }
    if (before != slack) {
        (void)services().FreePages(base_ + size(), slack - before);
    }
    return true;
}

bool Pages::allocate_at(u64 address, u64 bytes, EFI_MEMORY_TYPE type) {
    release();
    EFI_PHYSICAL_ADDRESS place = address;
    const u64 count            = pages_for(bytes);
    if (services().AllocatePages(AllocateAddress, type, count, &place) != EFI_SUCCESS) {
        return false;
    }
    base_  = address;
    count_ = count;
    return true;
}

void Pages::release() {
    if (count_ != 0) {
        (void)services().FreePages(base_, count_);
    }
    count_ = 0;
}

} // namespace vestibule::efi
