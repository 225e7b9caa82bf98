// SPDX-License-Identifier: BSD-2-Clause-Patent
// QEMU's firmware configuration device, without what QEMU keeps in it for the monitor's own start:
// a firmware that finds a kernel there would boot the monitor again.
#pragma once

#include "sevsim/monitor/options.h"
#include "x86/types.h"

#include <span>
#include <string_view>

namespace vestibule::sevsim {

/// What the guest finds there instead: a kernel to boot directly, its command line with its zero,
/// and an initrd. They must stay where they are.
void offer_kernel(const Options& options, std::span<const u8> kernel,
                  std::span<const u8> command_line, std::span<const u8> initrd);

/// Reads a file that the host has put there; false where there is none of that name. The guest
/// finds the item that it has selected where it was.
bool read_host_file(std::string_view name, std::span<char> into);

/// Before the guest's access reaches the device. True where it is dealt with.
bool filter_fw_cfg_read(u16 port, u32& value);
bool filter_fw_cfg_write(u16 port, unsigned size, u32 value);

} // namespace vestibule::sevsim
