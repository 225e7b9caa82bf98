// The guest's I/O ports: QEMU's devices, but for the two that belong to the run itself.
#pragma once

#include "x86/types.h"

namespace vestibule::sevsim {

/// `size` is 1, 2 or 4 bytes.
u32 read_guest_port(u16 port, unsigned size);
void write_guest_port(u16 port, unsigned size, u32 value);

} // namespace vestibule::sevsim
