// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which memory of an SEV-SNP guest its launch validates, and which the guest accepts before its
// payload is entered (boot/hand_over/snp_launch.h). Both are measured: nobody else is to say it.
#pragma once

#include "igvm/image/guest_layout.h"

namespace vestibule::igvm {

/// In ascending order, apart.
struct SnpMemory {
    std::vector<boot::MemoryRange> loaded; // outside of the stub's 2 MiB
    std::vector<boot::MemoryRange> accepted;
    /// Left to a Linux kernel, which is told of it: whole blocks of 2 MiB.
    std::vector<boot::MemoryRange> unaccepted;

    /// What may be used at once, and all three, as a kernel is told of RAM: without what stands in
    /// for a PC's ROMs.
    [[nodiscard]] std::vector<boot::MemoryRange> usable() const;
    [[nodiscard]] std::vector<boot::MemoryRange> ram() const;
};

/// Of what has been placed so far. Of RAM nothing more where the payload accepts it itself
/// (BuildOptions::accepts_payload); Linux is told what by EFI's tables (efi_tables.h). Blocks of 2
/// MiB of which a part is loaded are accepted no further than the payload spans: page by page, what
/// is left of one costs as many instructions as a GiB.
SnpMemory snp_memory(const Layout& layout, const BuildOptions& options,
                     const GuestContents& contents);

} // namespace vestibule::igvm
