// SPDX-License-Identifier: BSD-2-Clause-Patent
// The stub's GDT and IDT, and who handles what.
#pragma once

#include "vc/handler.h"

namespace vestibule::boot {

/// Bytes from the entry of one exception to that of the next (boot/exceptions.asm).
inline constexpr u64 exception_entry_stride = 8;

/// Loads GDT and IDT: #VC to the early handler, every other exception to a coded termination. Until
/// then nothing may run that can raise either.
void install_early_handlers();

/// Sends #VC to the runtime handler, which needs an open channel in vc_context().
void install_runtime_handler();

/// Ends the guest at the interrupted instruction, and leaves word of where that is.
[[noreturn]] void fail_at(const vc::Frame& frame, ghcb::Reason reason);

/// The #VC handler's context on the one vCPU there is.
vc::Context& vc_context();

/// What RDMSR gives, or false where it raises #GP.
bool rdmsr_safely(x86::Msr msr, u64& value);

} // namespace vestibule::boot
