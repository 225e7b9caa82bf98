// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/visible_exits.h"

#include "sevsim/monitor/hypervisor/cpuid.h"
#include "sevsim/monitor/hypervisor/msrs.h"
#include "sevsim/monitor/memory/guest_memory.h"
#include "sevsim/monitor/processor/efer.h"
#include "x86/cpu.h"
#include "x86/sev.h"

namespace vestibule::sevsim {

namespace {

constexpr u64 two_byte_opcode   = 2;
constexpr u64 three_byte_opcode = 3;

/// The instruction at RIP, with an opcode of so many bytes behind its prefixes, is done.
void skip(Vcpu& vcpu, u64 opcode_length) {
    vcpu.skip_instruction(fetch_instruction(vcpu).opcode + opcode_length);
}

void set_halves(Vcpu& vcpu, u64 value) {
    vcpu.state().rax   = low_half(value);
    vcpu.registers.rdx = high_half(value);
}

void raise_general_protection(Vcpu& vcpu) {
    inject(vcpu, event::exception(x86::exception::general_protection, 0));
}

/// SEV_STATUS is the processor's word, and says SEV alone. There is no GHCB.
bool read_msr(Vcpu& vcpu, u32 number, u64& value) {
    switch (static_cast<x86::Msr>(number)) {
    case x86::Msr::sev_status: value = x86::SevStatus::sev; return true;
    case x86::Msr::efer: value = read_efer(vcpu); return true;
    default: return read_guest_msr(vcpu, number, value);
    }
}

bool write_msr(Vcpu& vcpu, u32 number, u64 value) {
    return static_cast<x86::Msr>(number) == x86::Msr::efer ? write_efer(vcpu, value)
                                                           : write_guest_msr(vcpu, number, value);
}

} // namespace

void execute_cpuid(Vcpu& vcpu) {
    const x86::CpuidResult result =
        guest_cpuid(vcpu, low_half(vcpu.state().rax), low_half(vcpu.registers.rcx));
    vcpu.state().rax   = result.eax;
    vcpu.registers.rbx = result.ebx;
    vcpu.registers.rcx = result.ecx;
    vcpu.registers.rdx = result.edx;
    skip(vcpu, two_byte_opcode);
}

void execute_msr(Vcpu& vcpu) {
    const bool write = vcpu.vmcb.exitinfo1 != 0;
    const u32 number = low_half(vcpu.registers.rcx);
    u64 value        = from_halves(low_half(vcpu.registers.rdx), low_half(vcpu.state().rax));
    if (write ? !write_msr(vcpu, number, value) : !read_msr(vcpu, number, value)) {
        raise_general_protection(vcpu);
        return;
    }
    if (!write) {
        set_halves(vcpu, value);
    }
    skip(vcpu, two_byte_opcode);
}

/// As for the event of the same name (event_instructions.cpp): six counters, none of which counts.
void execute_rdpmc(Vcpu& vcpu) {
    constexpr u32 counters = 6;
    if (low_half(vcpu.registers.rcx) >= counters) {
        raise_general_protection(vcpu);
        return;
    }
    set_halves(vcpu, 0);
    skip(vcpu, two_byte_opcode);
}

/// No hypercalls, refused as KVM refuses them. VMGEXIT is VMMCALL where there is no GHCB (APM
/// volume 3).
void execute_vmmcall(Vcpu& vcpu) {
    constexpr u64 not_permitted = static_cast<u64>(-1);
    constexpr u64 no_such_call  = static_cast<u64>(-1000);
    vcpu.state().rax            = vcpu.state().cpl == 0 ? no_such_call : not_permitted;
    skip(vcpu, three_byte_opcode);
}

void execute_cache_flush(Vcpu& vcpu) {
    if (vcpu.state().cpl != 0) {
        raise_general_protection(vcpu); // newer QEMUs intercept before they look (exits.cpp)
        return;
    }
    skip(vcpu, two_byte_opcode);
}

void refuse_instruction(Vcpu& vcpu) {
    inject(vcpu, event::exception(x86::exception::invalid_opcode));
}

} // namespace vestibule::sevsim
