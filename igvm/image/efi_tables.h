// SPDX-License-Identifier: BSD-2-Clause-Patent
// The least of EFI that Linux takes to accept memory itself (UEFI specification 2.10,
// sections 4.3, 4.6 and 7.2.3): a system table whose one configuration table is Linux's own of
// unaccepted memory (include/linux/efi.h, struct efi_unaccepted_memory), and the memory map. No
// services: there is no firmware. All of it in one measured page, which Linux writes to as it
// accepts.
#pragma once

#include "boot/hand_over/header.h"
#include "kernel/zero_page.h"

#include <array>
#include <optional>
#include <span>

namespace vestibule::igvm {

struct EfiTables {
    std::array<u8, page_size> page;
    kernel::EfiMachine told; // to the kernel, by its zero page
};

/// `gpa` is the page's own address; `map` what Linux is told of memory, without what of it is
/// `unaccepted`: whole blocks of 2 MiB, ascending, below 4 GiB. Nothing where the map has more
/// ranges than there is room for.
std::optional<EfiTables> make_efi_tables(u64 gpa, std::span<const kernel::MemoryRange> map,
                                         std::span<const boot::MemoryRange> unaccepted);

} // namespace vestibule::igvm
