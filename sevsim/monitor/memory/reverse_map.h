// SPDX-License-Identifier: BSD-2-Clause-Patent
// The reverse map table of SEV-SNP (APM volume 2, section 15.36.3): whose each page of guest memory
// is, whether the guest has validated it, and what each VMPL may do with it. Hardware keeps it by
// system physical address; this machine has one guest, so it goes by the guest's.
#pragma once

#include "sevsim/monitor/options.h"
#include "x86/types.h"

namespace vestibule::sevsim::reverse_map {

inline constexpr unsigned vmpl_count = 4;

// What a VMPL may do with a page, as RMPADJUST has it (APM volume 3).
inline constexpr u8 may_read               = 1u << 0;
inline constexpr u8 may_write              = 1u << 1;
inline constexpr u8 may_execute_user       = 1u << 2;
inline constexpr u8 may_execute_supervisor = 1u << 3;
inline constexpr u8 may_everything         = 0xF;

struct Entry {
    bool assigned : 1 = false; // the guest's; else the hypervisor's, which the guest sees as shared
    bool validated : 1  = false;      // by the guest, or by the launch
    bool vmsa : 1       = false;      // a VMSA: RMPADJUST has said so
    bool in_use : 1     = false;      // a vCPU runs from it (hypervisor/event_ap_creation.cpp)
    bool large : 1      = false;      // one of the 512 of a 2 MiB entry
    bool was_shared : 1 = false;      // the guest has had it through the shared view
    bool aliased : 1    = false;      // the shared view shows the private page
    bool falsified : 1  = false;      // the hypervisor has said that it is another one
    u8 permissions[vmpl_count - 1]{}; // of VMPL 1 to 3; VMPL 0 may do everything

    u8 permissions_of(unsigned vmpl) const {
        return vmpl == 0 ? may_everything : permissions[vmpl - 1];
    }

    /// As the CPU wants it before it lets the guest see the page privately.
    bool is_private() const { return assigned && validated; }
};

static_assert(sizeof(Entry) == 4);

/// An empty table: all memory is the hypervisor's.
void build(const Options& options);

/// True for guest memory and firmware, which SEV-SNP launches as memory.
bool has(u64 gpa);

/// The entry of a page that there is one for.
Entry& at(u64 gpa);

/// As SNP_LAUNCH_UPDATE leaves whole pages: the guest's, and validated (firmware ABI 56860, section
/// 8.17).
void launch(u64 gpa, u64 size);

/// Makes 4 KiB entries of the 2 MiB entry around a page (PSMASH).
void smash(u64 gpa);

/// True where the 2 MiB at `block` are all private.
bool is_private_block(u64 block);

} // namespace vestibule::sevsim::reverse_map
