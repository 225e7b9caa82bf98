// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the pages of guest memory show through each view under SEV-SNP: what the reverse map table
// says. A page that is assigned and validated is there in the private view; one that is not
// assigned, in the shared one. Each VMPL has a private view of its own.
#pragma once

#include "sevsim/monitor/memory/nested_entries.h"
#include "sevsim/monitor/memory/nested_tables.h"

namespace vestibule::sevsim::nested {

/// The private view of a VMPL; made when it is first asked for.
View private_view_of(unsigned vmpl);

/// Until the launch ends the loader writes to private memory as it likes.
bool is_launch_over();

/// What was not launched, of memory up to `memory_end`, leaves the private view.
void end_launch(u64 memory_end);

/// A 4 KiB page that the guest has just validated, with what hardware would show there: noise.
void map_validated(u64 page);

/// The page leaves the private view of every VMPL.
void unmap_private(u64 page);

/// It leaves that of one VMPL above 0, whose permissions have changed.
void unmap_private(u64 page, unsigned vmpl);

void unmap_shared(u64 page);

/// The page is the guest's again; what the hypervisor sees of it is noise.
void scramble_shared(u64 page);

/// A fault in guest memory, or in firmware through its private mapping.
NestedFault resolve_snp_fault(Vcpu& vcpu, u64 exitinfo1, u64 gpa);

/// The hypervisor assigns a page to the guest that uses it without having asked: KVM does, and lets
/// the guest find that it is not validated.
void assign_unasked(u64 page);

} // namespace vestibule::sevsim::nested
