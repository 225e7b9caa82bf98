// SPDX-License-Identifier: BSD-2-Clause-Patent
// Instructions that take and give registers and nothing else (GHCB specification, section 4.1).
#include "sevsim/monitor/hypervisor/cpuid.h"
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "x86/cpu.h"

#include <algorithm>

namespace vestibule::sevsim {

namespace {

void put_halves(GhcbView& ghcb, u64 value) {
    ghcb.put(field::rax, low_half(value));
    ghcb.put(field::rdx, high_half(value));
}

constexpr u32 extended_state = 0xD; // the CPUID leaf that depends on XCR0 and XSS

} // namespace

/// Caches are not modelled, and nobody waits.
Answer serve_nothing(Vcpu&, GhcbView&) { return Answer::done(); }

// --- DR7: only writes need to leave the guest, which may remember what it wrote ---

Answer serve_dr7_read(Vcpu& vcpu, GhcbView& ghcb) {
    ghcb.put(field::rax, vcpu.told_dr7);
    return Answer::done();
}

Answer serve_dr7_write(Vcpu& vcpu, GhcbView& ghcb) {
    const u64 value = ghcb.get(field::rax);
    if (high_half(value) != 0) {
        return Answer::general_protection(); // as MOV DR7 itself would answer
    }
    vcpu.told_dr7 = value;
    return Answer::done();
}

// --- Counters ---

Answer serve_rdtsc(Vcpu&, GhcbView& ghcb) {
    put_halves(ghcb, x86::Cpu::rdtsc());
    return Answer::done();
}

/// TSC_AUX is passed through to the guest, so what it holds now is the guest's.
Answer serve_rdtscp(Vcpu&, GhcbView& ghcb) {
    put_halves(ghcb, x86::Cpu::rdtsc());
    ghcb.put(field::rcx, low_half(x86::Cpu::rdmsr(x86::Msr::tsc_aux)));
    return Answer::done();
}

/// Six counters, as the processor that is played has; none of them counts.
Answer serve_rdpmc(Vcpu& vcpu, GhcbView& ghcb) {
    constexpr u32 counters = 6;
    if (lower_register(ghcb, field::rcx) >= counters) {
        if (tells(vcpu.options, Lie::rdpmc_gp)) {
            inject(vcpu, event::exception(x86::exception::general_protection, 0));
            return Answer::nothing();
        }
        return Answer::general_protection();
    }
    put_halves(ghcb, 0);
    return Answer::done();
}

// --- CPUID: RAX, RCX; XCR0 for leaf 0xD, XSS may come with it. Linux gives XCR0 with every leaf
// (arch/x86/kernel/sev-shared.c, vc_handle_cpuid), which shows nothing of what the guest does ---

Inputs cpuid_inputs(const GhcbView& ghcb) {
    Inputs inputs{.required = fields(field::rax, field::rcx), .optional = fields(field::xcr0)};
    if (low_half(ghcb.get(field::rax)) == extended_state) {
        inputs.required = inputs.required.with(field::xcr0);
        inputs.optional = fields(field::xss);
    }
    return inputs;
}

namespace {

/// EBX of leaf 0xD: what XSAVE wants with the guest's XCR0, which the processor underneath has not
/// loaded (APM volume 3, appendix E.4.12).
u32 size_of_state(u64 xcr0) {
    constexpr u32 legacy = 0x240; // x87 and SSE, and the header
    constexpr u32 first  = 2;
    constexpr u32 end    = 63;
    u32 size             = legacy;
    for (u32 n = first; n < end; ++n) {
        if ((xcr0 & bit(n)) != 0) {
            const x86::CpuidResult state = x86::Cpu::cpuid(extended_state, n);
            size                         = std::max(size, state.ebx + state.eax);
        }
    }
    return size;
}

} // namespace

Answer serve_cpuid(Vcpu& vcpu, GhcbView& ghcb) {
    const u32 leaf    = lower_register(ghcb, field::rax);
    const u32 subleaf = lower_register(ghcb, field::rcx);
    if (leaf == extended_state && (ghcb.get(field::xcr0) & 1) == 0) {
        return Answer::invalid_input("CPUID 0xD with an XCR0 that no CPU holds: bit 0 is clear");
    }
    x86::CpuidResult result = guest_cpuid(vcpu, leaf, subleaf);
    if (leaf == extended_state && subleaf == 0 && result.ebx != 0) {
        result.ebx = size_of_state(ghcb.get(field::xcr0));
    }
    ghcb.put(field::rax, result.eax);
    ghcb.put(field::rbx, result.ebx);
    ghcb.put(field::rcx, result.ecx);
    ghcb.put(field::rdx, result.edx);
    return Answer::done();
}

// --- VMMCALL: RAX and CPL; the rest is a hypervisor's own calling convention ---

/// What KVM's and Hyper-V's hypercalls take beside RAX.
Inputs vmmcall_inputs(const GhcbView&) {
    return {.required = fields(field::rax, field::cpl),
            .optional = fields(field::rbx, field::rcx, field::rdx, field::rsi, field::r8)};
}

/// This machine has no hypercalls (CPUID 0x40000000 is empty): refused as KVM refuses.
Answer serve_vmmcall(Vcpu&, GhcbView& ghcb) {
    constexpr u64 not_permitted = static_cast<u64>(-1);
    constexpr u64 no_such_call  = static_cast<u64>(-1000);
    if (ghcb.cpl() > 3) {
        return Answer::invalid_input("VMMCALL with a CPL above 3");
    }
    ghcb.put(field::rax, ghcb.cpl() == 0 ? no_such_call : not_permitted);
    return Answer::done();
}

} // namespace vestibule::sevsim
