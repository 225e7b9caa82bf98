// SPDX-License-Identifier: BSD-2-Clause-Patent
// The devices that the rows need: a text that can be read byte by byte, and an interrupt line.
#pragma once

#include "qemu-tests/guests/oracle/devices.h"

namespace vestibule::oracle {

class Testbed {
  public:
    explicit Testbed(const Devices& all_devices) : devices{all_devices} {}

    /// Looks for the text, and masks all interrupts.
    void start();

    /// The text is read from its start again.
    void rewind_text() const;

    /// IRQ 5 is pending, whether it can be taken or not.
    void raise_interrupt() const;

    /// Takes it back. True where it was pending still.
    bool lower_interrupt() const;

  private:
    const Devices& devices;
    u16 text = 0;
};

} // namespace vestibule::oracle
