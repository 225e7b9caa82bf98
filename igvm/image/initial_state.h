// SPDX-License-Identifier: BSD-2-Clause-Patent
// The state in which a vCPU starts an image that this project builds: flat segments, interrupts
// off, and, unless it is entered in legacy mode, one page of page tables (AMD64 APM volume 2,
// section 5.3 and appendix B).
#pragma once

#include "boot/entry_state.h"
#include "igvm/format/format.h"
#include "igvm/format/vp_context.h"
#include "x86/vmsa.h"

namespace vestibule::igvm {

/// Whether the vCPU starts with paging on, and so on tables that are in the file (boot::map_image).
bool has_initial_tables(boot::Entry entry);

/// For SEV-ES or SNP: what KVM measures at launch. `address` is that of the first instruction.
x86::Vmsa initial_vmsa(PlatformType platform, boot::Entry entry, u64 base, u64 address);

/// The same for the platform NATIVE.
NativeVpContext initial_native_context(boot::Entry entry, u64 base, u64 address);

} // namespace vestibule::igvm
