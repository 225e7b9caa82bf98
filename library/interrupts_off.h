// SPDX-License-Identifier: BSD-2-Clause-Patent
// Holds maskable interrupts off while the GHCB page is in use: a handler's #VC would be a second
// call within the first, and an NMI's a third. PUSHF, CLI and STI at CPL 0 need no hypervisor.
#pragma once

#include "x86/registers.h"
#include "x86/types.h"

namespace vestibule::library {

class InterruptsOff {
  public:
    InterruptsOff() { asm volatile("pushfq\n\tpop %0\n\tcli" : "=r"(flags) : : "memory"); }

    ~InterruptsOff() {
        if ((flags & x86::rflags::interrupt) != 0) {
            asm volatile("sti" : : : "memory");
        }
    }

    InterruptsOff(const InterruptsOff&)            = delete;
    InterruptsOff& operator=(const InterruptsOff&) = delete;

  private:
    u64 flags;
};

} // namespace vestibule::library
