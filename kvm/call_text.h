// SPDX-License-Identifier: BSD-2-Clause-Patent
// Calls and exits in words: for traces and messages.
#pragma once

#include "kvm/abi.h"

#include <functional>
#include <string>
#include <string_view>

namespace vestibule::kvm {

/// "KVM_CREATE_VM"; the number where it is none of ours.
std::string call_name(u64 request);

/// "SEV_LAUNCH_START"; the number where it is none of ours.
std::string command_name(abi::Sev command);

/// An address of the host in words: "memory+0x1000". It differs from run to run otherwise.
using Place = std::function<std::string(u64 address)>;

/// "KVM_CREATE_VCPU(0)", with what the argument holds. The argument is read as the request has it,
/// so it must be one that could be given to the kernel.
std::string call_text(u64 request, u64 argument, const Place& place);

/// "IO": the name of a vCPU's exit, KVM_EXIT_ left out; the number where it is none that is known.
std::string exit_name(u32 reason);

/// "OUT 0x3f8, 1 byte": a vCPU's exit in words.
std::string exit_text(const kvm_run& run);

/// The reason of a termination request by name, from the value of the GHCB MSR (GHCB specification,
/// section 2.3.1).
std::string termination_text(u64 ghcb_msr);

} // namespace vestibule::kvm
