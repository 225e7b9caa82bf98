// A vCPU's CPUID and first registers, as ioctls (KVM ABI, section 6).
#pragma once

#include "igvm/vp_context.h"
#include "launcher/calls.h"
#include "x86/vmsa.h"

#include <vector>

namespace vestibule::launcher {

/// What KVM and this CPU offer; the entries without their vCPU's number.
abi::Cpuid supported_cpuid(Calls& calls, int kvm);

/// The same for one vCPU of several, by its number.
abi::Cpuid cpuid_of(const abi::Cpuid& supported, u32 vcpu, u32 vcpus);

/// The page that SNP's firmware checks against the CPU (SEV-SNP firmware ABI, CPUID page).
std::vector<u8> cpuid_page(const abi::Cpuid& supported);

/// From an IGVM file's context of the platforms NATIVE and SEV.
void set_registers(Calls& calls, int vcpu, const igvm::NativeVpContext& context);

/// From a VMSA: every field that KVM takes.
void set_registers(Calls& calls, int vcpu, const x86::Vmsa& vmsa, const abi::Cpuid& supported);

} // namespace vestibule::launcher
