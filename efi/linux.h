// SPDX-License-Identifier: BSD-2-Clause-Patent
// A Linux kernel's surroundings: the zero page, which Linux's 64-bit boot protocol hands over
// (kernel/zero_page.h). The kernel finds the firmware as if its own EFI stub had ended boot
// services.
#pragma once

#include "boot/hand_over/header.h"
#include "efi/departure.h"
#include "efi/pages.h"
#include "efi/problem.h"
#include "kernel/bzimage.h"

namespace vestibule::efi {

class LinuxEntry {
  public:
    /// Takes memory for the zero page and puts it into the record.
    Problem place(boot::PayloadHeader& header);

    /// Makes the zero page once boot services have ended, from the record and the memory map.
    /// `stub` is what stays in use of the stub's region.
    void describe(const kernel::LinuxKernel& kernel, const boot::PayloadHeader& header,
                  const Departure& departure, Extent stub) const;

    /// What it has taken, which stays in use.
    [[nodiscard]] Extent memory() const { return memory_.extent(); }

  private:
    Pages memory_;
};

} // namespace vestibule::efi
