// SPDX-License-Identifier: BSD-2-Clause-Patent
// A vCPU's first registers as KVM's structures and calls (KVM ABI, section 6).
#pragma once

#include "kvm/calls.h"
#include "x86/vmsa.h"

namespace vestibule::kvm {

kvm_segment segment_of(const x86::Segment& from);

/// General registers, of whatever has them under their names.
template <class Context>
kvm_regs regs_of(const Context& from) {
    // clang-format off
    return {from.rax, from.rbx, from.rcx, from.rdx, from.rsi, from.rdi, from.rsp, from.rbp,
            from.r8, from.r9, from.r10, from.r11, from.r12, from.r13, from.r14, from.r15,
            from.rip, from.rflags};
    // clang-format on
}

/// From a VMSA: every field that KVM takes.
void set_registers(Calls& calls, int vcpu, const x86::Vmsa& vmsa, const abi::Cpuid& supported);

} // namespace vestibule::kvm
