// SPDX-License-Identifier: BSD-2-Clause-Patent
// The dump port: bytes that the guest writes there come out in the host command's --dump file,
// natively as under SEV-ES, so that what one instruction did can be compared byte by byte.
#pragma once

#include "sevsim/monitor/options.h"

namespace vestibule::sevsim {

/// Next to the monitor's own port, where no PC has a device.
inline constexpr u16 dump_port = 0x5EA;

/// The low `size` bytes of `value`, lowest first. Without --dump they go nowhere.
void dump(const Options& options, u64 value, unsigned size);

/// Sends what has gathered.
void flush_dump();

} // namespace vestibule::sevsim
