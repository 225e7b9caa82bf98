// SPDX-License-Identifier: BSD-2-Clause-Patent
// The least of EFI that Linux takes to accept memory itself (UEFI specification 2.10,
// sections 4.3, 4.6 and 7.2.3): a system table whose one configuration table is Linux's own of
// unaccepted memory (include/linux/efi.h, struct efi_unaccepted_memory), and the memory map. No
// services: there is no firmware. All of it in one measured page, which Linux writes to as it
// accepts; where memory goes on from 4 GiB, what says of it that it is unaccepted stands on pages
// behind, one for 64 GiB.
#pragma once

#include "boot/hand_over/header.h"
#include "kernel/zero_page.h"

#include <optional>
#include <span>
#include <vector>

namespace vestibule::igvm {

struct EfiTables {
    std::vector<u8> pages;
    kernel::EfiMachine told; // to the kernel, by its zero page
};

/// What they take with RAM up to `memory_end`.
u64 efi_tables_size(u64 memory_end);

/// `gpa` is the first page's own address; `map` what Linux is told of memory, without what of it is
/// `unaccepted`: whole blocks of 2 MiB, ascending, up to `memory_end` at most. Nothing where the
/// map has more ranges than there is room for.
std::optional<EfiTables> make_efi_tables(u64 gpa, u64 memory_end,
                                         std::span<const kernel::MemoryRange> map,
                                         std::span<const boot::MemoryRange> unaccepted);

} // namespace vestibule::igvm
