// The ports by which a guest ends the machine: reset and power-off. QEMU would only stop, without a
// word of what had been.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// Ends the run where this write ends the machine.
void watch_for_machine_end(u16 port, unsigned size, u32 value);

} // namespace vestibule::sevsim
