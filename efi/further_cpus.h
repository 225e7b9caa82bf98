// SPDX-License-Identifier: BSD-2-Clause-Patent
// Further vCPUs of an SEV-ES guest, for a payload with boot info. The firmware has left them in AP
// reset hold, from where they follow its AP jump table (GHCB specification, section 4.3), which is
// empty. Here it is made to lead to the stub's waiting place, so that they are released as those of
// an IGVM file are: by boot/boot_info.h's mailbox. A Linux kernel fills in the table itself. Those
// of an SEV-SNP guest the stub starts anew, by AP creation, wherever they are; it is told how many.
#pragma once

#include "boot/hand_over/header.h"
#include "efi/departure.h"
#include "efi/machine.h"
#include "efi/pages.h"
#include "efi/stub.h"

namespace vestibule::efi {

class FurtherCpus {
  public:
    /// Asks how many there are, and makes their way to the placed stub.
    Problem place(const StubImage& image, const Pages& region, const Machine& machine);

    /// Opens it once boot services have ended, and says in the record how many vCPUs there are. Not
    /// where the hypervisor knows no table, or names a place that is not the firmware's.
    void open(const Machine& machine, const Departure& departure,
              boot::PayloadHeader& header) const;

    /// What it has taken, which stays in use.
    [[nodiscard]] Extent memory() const { return memory_.extent(); }

  private:
    Pages memory_; // the way's code and page tables
    u32 count_ = 0;
};

} // namespace vestibule::efi
