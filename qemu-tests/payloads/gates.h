// SPDX-License-Identifier: BSD-2-Clause-Patent
// An IDT of the payload's own that has the stub's gates but for #VC, as long as the stub's memory
// is there: an exception that nobody waits for, an NMI, or an interrupt of a vector beyond the
// table, which is #GP, ends the guest with a code. With a gate for #VC alone each of them would be
// a shutdown.
#pragma once

#include "x86/cpu.h"
#include "x86/descriptor.h"
#include "x86/registers.h"

namespace vestibule::payloads {

class Gates {
  public:
    /// On a native machine that firmware has started they are the firmware's.
    void load(const x86::InterruptGate& vc) {
        const x86::TableRegister stub = x86::Cpu::sidt();
        const auto* const gates       = reinterpret_cast<const x86::InterruptGate*>(stub.base);
        for (u64 n = 0; n < x86::exception::count && n * sizeof(vc) < stub.limit; ++n) {
            idt_[n] = gates[n];
        }
        idt_[x86::exception::vmm_communication] = vc;
        x86::Cpu::lidt({.limit = sizeof idt_ - 1, .base = reinterpret_cast<u64>(&idt_[0])});
    }

  private:
    x86::InterruptGate idt_[x86::exception::count]{};
};

} // namespace vestibule::payloads
