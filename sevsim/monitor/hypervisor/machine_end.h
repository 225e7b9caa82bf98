// SPDX-License-Identifier: BSD-2-Clause-Patent
// The ports by which a guest ends the machine: reset and power-off. QEMU would only stop, without a
// word of what had been.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// Ends the run where this write ends the machine.
void watch_for_machine_end(u16 port, unsigned size, u32 value);

/// SeaBIOS, which ran before the monitor, has given the ACPI registers their place. Firmware that
/// finds them enabled leaves them there, but looks for them where it would have put them (OVMF
/// does), so they are taken away as after a reset.
void reset_power_management();

/// True for the ACPI power management timer, where the guest has put it.
bool is_power_management_timer(u16 port, unsigned size);

/// QEMU has made its ACPI tables when SeaBIOS asked for them, and they name the place that SeaBIOS
/// gave to the ACPI registers. Firmware has moved them since; whoever goes by the tables finds them
/// there all the same: the port that they are at now.
u16 moved_power_management(u16 port);

} // namespace vestibule::sevsim
