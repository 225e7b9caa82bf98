// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the shared view holds before anyone has written to it: noise, never what was loaded there or
// nothing. A page gets it when it is first looked at, or, if that comes first, when a device could
// write to it: most are never looked at, and memory that nobody touches costs the host nothing.
//
// Limits, once a device could write: what lies above 2 GiB and was not looked at before shows zeros
// then, or what a device has written; under SEV-SNP so does every page that has never been the
// guest's.
#pragma once

#include "sevsim/monitor/options.h"

namespace vestibule::sevsim {

/// From here on all of guest memory is to look so.
void start_shared_noise(const Options& options);

/// Before the page around `gpa` is shown to the guest or read for it.
void need_shared_noise(u64 gpa);

/// SEV-SNP: what was the guest's is shared from here on. No device knows of the page yet.
void become_shared(u64 page);

/// True where the guest or a device may have written to the page around `gpa`.
bool has_shared_contents(u64 gpa);

/// Before the guest writes to a port, or to a device's memory: what may be the start of a device's
/// DMA, of whatever pages, is preceded by the noise in all that have none yet.
void before_port_write(u16 port, u32 value);
void before_mmio_write(u64 gpa);

} // namespace vestibule::sevsim
