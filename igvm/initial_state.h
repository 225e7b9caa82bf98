// The state in which a vCPU starts an image that this project builds: 64-bit mode, flat segments,
// one page of page tables (AMD64 APM volume 2, section 5.3 and appendix B).
#pragma once

#include "igvm/vp_context.h"
#include "x86/page_table.h"
#include "x86/vmsa.h"

namespace vestibule::igvm {

/// Whether an image may lie at `base`: a 2 MiB boundary from 2 MiB to below 4 GiB at which the
/// initial page table's three entries do not meet.
bool is_loadable_base(u64 base);

/// Maps the 2 MiB at `base` to themselves, and no address to anywhere else. The page itself has to
/// lie at `base`. `c_bit` is the C-bit as a mask, 0 on a platform without memory encryption.
x86::PageTable initial_page_table(u64 base, u64 c_bit);

/// For SEV-ES: what KVM measures at launch.
x86::Vmsa initial_vmsa(u64 base, u64 entry);

/// The same for the platform NATIVE.
NativeVpContext initial_native_context(u64 base, u64 entry);

} // namespace vestibule::igvm
