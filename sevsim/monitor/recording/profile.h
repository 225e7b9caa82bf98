// SPDX-License-Identifier: BSD-2-Clause-Patent
// How many instructions a guest spends on a #VC, exactly: from its handler's first instruction to
// the first VMGEXIT, between VMGEXITs, and from the last one to the IRET that returns. VMGEXITs and
// that IRET are not counted, nor is an instruction that raises #VC itself; an instruction that the
// monitor does in the guest's place is one; a REP string instruction is one an iteration and one
// more to find RCX at zero. What a nested #VC costs is its own.
//
// Under QEMU's -icount the time-stamp counter counts instructions, so its difference over a VMRUN
// is the guest's instructions plus a constant. The IRET is seen by its intercept.
//
// With Options::handlers each such IRET is a record of the trace, and nothing is counted: when a
// #VC's handler ended.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Finds the constant, by guests of known length. Ends the run where QEMU's clock does not count
/// instructions.
void calibrate_profile(const Options& options);

/// Before each entry of the guest, and after each exit before it is handled.
void profile_entry(Vcpu& vcpu);
void profile_run(Vcpu& vcpu);

/// What a #VC interrupts.
struct InterruptedCode {
    u64 exit_code;
    const char* name; // which access, where the exit code has several
    u64 rip;
    u64 rsp;
};

/// To be asked before the delivery changes it.
InterruptedCode interrupted_code(Vcpu& vcpu, u64 exit_code);

/// The guest stands at its handler's first instruction; at a VMGEXIT; at an IRET, which this does
/// or lets through.
void profile_vc(Vcpu& vcpu, const InterruptedCode& interrupted);
void profile_vmgexit(Vcpu& vcpu);
void profile_iret(Vcpu& vcpu);

/// The records of all #VCs that came back, nothing where none was profiled.
void send_profile(const Options& options);

} // namespace vestibule::sevsim
