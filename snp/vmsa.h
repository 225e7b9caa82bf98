// SPDX-License-Identifier: BSD-2-Clause-Patent
// The state that a further vCPU starts with, made by the guest itself (APM volume 2, table B-4 and
// section 15.36.7): 64-bit mode, with the control registers of who makes it. VMRUN refuses what is
// not consistent, and the hypervisor cannot change any of it.
#pragma once

#include "x86/descriptor.h"
#include "x86/msr.h"
#include "x86/registers.h"
#include "x86/sev.h"
#include "x86/vmsa.h"

namespace vestibule::snp {

struct VcpuState {
    u64 rip;
    u64 rsp;
    u64 rdi; // the argument of what is at RIP
    u64 cr3;
    u16 code_selector; // 64-bit code at CPL 0
    u8 vmpl;
};

/// Fills in a page of zeros. Tables of descriptors are the maker's own.
template <class Cpu>
[[gnu::noinline, clang::minsize]] void make_vmsa(x86::Vmsa& vmsa, const VcpuState& state) {
    using x86::SegmentAttributes;
    const auto table = [](x86::Segment& segment, const x86::TableRegister& from) {
        segment.limit = from.limit;
        segment.base  = from.base;
    };
    vmsa.cs.selector   = state.code_selector;
    vmsa.cs.attributes = static_cast<u16>(SegmentAttributes::code64);
    vmsa.cs.limit      = ~u32{0};
    // SS with a null selector is what 64-bit code at CPL 0 may have; the others are not looked at.
    const auto data = [](x86::Segment& segment) {
        segment.attributes = static_cast<u16>(SegmentAttributes::data);
        segment.limit      = ~u32{0};
    };
    data(vmsa.ss);
    data(vmsa.ds);
    data(vmsa.es);
    data(vmsa.fs);
    data(vmsa.gs);
    table(vmsa.gdtr, Cpu::sgdt());
    table(vmsa.idtr, Cpu::sidt());
    vmsa.ldtr.attributes = static_cast<u16>(SegmentAttributes::ldt);
    vmsa.ldtr.limit      = 0xFFFF;
    vmsa.tr.attributes   = static_cast<u16>(SegmentAttributes::busy_task);
    vmsa.tr.limit        = 0xFFFF;
    vmsa.vmpl            = state.vmpl;
    vmsa.efer            = Cpu::rdmsr(x86::Msr::efer) | x86::efer::svme;
    vmsa.cr0             = Cpu::cr0();
    vmsa.cr3             = state.cr3;
    vmsa.cr4             = Cpu::cr4();
    vmsa.dr6             = x86::dr6_reset;
    vmsa.dr7             = x86::dr7_reset;
    vmsa.rflags          = x86::rflags::reserved_one;
    vmsa.rip             = state.rip;
    vmsa.rsp             = state.rsp;
    vmsa.rdi             = state.rdi;
    vmsa.g_pat           = x86::pat_reset;
    // As the hypervisor launched this guest, who cannot but do as SEV_STATUS says.
    vmsa.sev_features = Cpu::rdmsr(x86::Msr::sev_status) >> x86::SevFeatures::status_shift;
    vmsa.xcr0         = 1;
    vmsa.mxcsr        = 0x1F80;
    vmsa.x87_fcw      = 0x037F;
}

} // namespace vestibule::snp
