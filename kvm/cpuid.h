// SPDX-License-Identifier: BSD-2-Clause-Patent
// What CPUID tells a guest: from what KVM and this CPU offer (KVM ABI, section 6).
#pragma once

#include "kvm/calls.h"

#include <vector>

namespace vestibule::kvm {

/// What KVM and this CPU offer; the entries without their vCPU's number.
abi::Cpuid supported_cpuid(Calls& calls, int kvm);

/// The same for one vCPU of several, by its number.
abi::Cpuid cpuid_of(const abi::Cpuid& supported, u32 vcpu, u32 vcpus);

/// The page that SNP's firmware checks against the CPU (SEV-SNP firmware ABI, CPUID page).
std::vector<u8> cpuid_page(const abi::Cpuid& supported);

} // namespace vestibule::kvm
