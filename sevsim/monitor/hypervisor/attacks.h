// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a hostile hypervisor does beside lying: it chooses moments, and has the guest take an event
// there (sevsim/lies.h names the attacks).
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Which exit code a #VC that is due comes with.
u64 attacked_vc(const Options& options, u64 exit_code);

/// What has this answer through the GHCB page ask for an exception, by its code; or nullptr.
const Hostility* attacked_answer(const Options& options);

/// What makes this answer through the GHCB page a refusal, for the reason that is its code; or
/// nullptr.
const Hostility* refuses_answer(const Options& options);

/// Whether this VMGEXIT is passed over.
bool leaves_unanswered(const Options& options);

/// Any event at any moment. Of vector 2, whatever its type, the guest will say that it has handled
/// an NMI: it cannot tell them apart.
void inject_by_force(Vcpu& vcpu, u64 word);

/// At a termination request: whether the guest goes on behind it. One that asks for nothing else
/// any more is heard in the end, as nothing will come of it that was not there the last time.
bool goes_on_behind_termination(Vcpu& vcpu);

/// Before each entry of the guest: may have it take a #VC or an NMI at the instruction that it
/// stands at.
void attack_at_entry(Vcpu& vcpu);

/// At a VMGEXIT that the guest has not passed yet: true where an NMI comes first, after which the
/// guest executes it again.
bool attack_vmgexit(Vcpu& vcpu);

/// At each VMGEXIT: what a hypervisor may do to the pages of an SEV-SNP guest meanwhile.
void attack_pages(const Options& options);

/// At each VMGEXIT, once it is answered: what a hypervisor may do to the pages that it shares with
/// the guest, and to the guest's clock.
void attack_shared_pages(Vcpu& vcpu);

/// Before each entry of the guest, behind all others that want to see IRETs or not.
void watch_attacked_iret(Vcpu& vcpu);

/// At an IRET: true where the guest has executed it, and takes an NMI at the place that it went to.
bool attack_iret(Vcpu& vcpu);

} // namespace vestibule::sevsim
