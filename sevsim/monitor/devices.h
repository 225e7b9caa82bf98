// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the machine has outside of its memory, as SeaBIOS has left it to the first guest, kept for
// the next ones (batch.h): the processor's registers that neither VMCB nor GuestRegisters hold,
// interrupt controllers, timers, clock, serial port, PCI. Limit: devices that QEMU is given beside
// those of its board are not reset, so no batch has any.
#pragma once

namespace vestibule::sevsim::devices {

/// To be called once, before the first guest.
void keep();

/// No guest runs any more: none of its interrupts is pending afterwards.
void take_back();

} // namespace vestibule::sevsim::devices
