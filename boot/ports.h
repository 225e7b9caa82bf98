// SPDX-License-Identifier: BSD-2-Clause-Patent
// I/O ports of a PC that the stub and its selftest use.
#pragma once

#include "x86/types.h"

namespace vestibule::boot::port {

inline constexpr u16 dma_page2    = 0x81; // DMA controller's page registers: readable and writable
inline constexpr u16 debug_exit   = 0xF4; // QEMU's isa-debug-exit
inline constexpr u16 com1         = 0x3F8;
inline constexpr u16 com1_scratch = 0x3FF; // readable and writable, does nothing
inline constexpr u16 pci_address  = 0xCF8;

} // namespace vestibule::boot::port
