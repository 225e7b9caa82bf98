// SPDX-License-Identifier: BSD-2-Clause-Patent
// A PVH kernel's surroundings: the code that takes it from the stub's 64-bit mode to the entry that
// it wants (boot/pvh/enter.asm), and its start info.
#pragma once

#include "boot/hand_over/header.h"
#include "efi/departure.h"
#include "efi/memory_map.h"
#include "efi/pages.h"
#include "efi/problem.h"

namespace vestibule::efi {

class PvhEntry {
  public:
    /// Puts that code between the stub and the kernel: the record's entry becomes the code's, and
    /// the kernel's goes there.
    Problem place(boot::PayloadHeader& header);

    /// Completes the start info once boot services have ended, from the record and the memory map.
    /// `stub` is what stays in use of the stub's region.
    void describe(const boot::PayloadHeader& header, const Departure& departure, Extent stub) const;

    /// What it has taken, which stays in use.
    [[nodiscard]] Extent memory() const { return memory_.extent(); }

  private:
    Pages memory_;
};

} // namespace vestibule::efi
