// SPDX-License-Identifier: BSD-2-Clause-Patent
// RDMSR and WRMSR (exit 0x7C): SW_EXITINFO1 is 0 to read and 1 to write, RCX the number, RDX:RAX
// the value.
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/msrs.h"
#include "sevsim/monitor/recording/outcome.h"
#include "x86/vmsa_msrs.h"

namespace vestibule::sevsim {

namespace {

/// An access that no intercept can have caused: the guest asks of its own accord, and gives its
/// hypervisor a say where it has none.
bool raises_no_vc(Vcpu& vcpu, u32 number, bool write) {
    return x86::is_kept_in_vmsa(number, write, vcpu.state().cr4)
           || is_passed_through(static_cast<x86::Msr>(number));
}

} // namespace

Inputs msr_inputs(const GhcbView& ghcb) {
    const bool write = ghcb.get(field::exit_info_1) == 1;
    return {.required = write ? fields(field::rcx, field::rax, field::rdx) : fields(field::rcx),
            .optional = {},
            .info_1   = ~u64{0}};
}

Answer serve_msr(Vcpu& vcpu, GhcbView& ghcb) {
    const u64 direction = ghcb.get(field::exit_info_1);
    if (direction > 1) {
        return Answer::invalid_input("SW_EXITINFO1 of MSR is neither 0 nor 1");
    }
    const u32 number = lower_register(ghcb, field::rcx);
    const bool write = direction == 1;
    if (takes_msr(vcpu.options, number)) {
        (void)tells(vcpu.options, Lie::msr);
        ghcb.put(field::rax, low_half(forged_msr_value));
        ghcb.put(field::rdx, high_half(forged_msr_value));
        return Answer::done();
    }
    if (raises_no_vc(vcpu, number, write)) {
        report_violation(Rule::msr_not_intercepted,
                         "RDMSR or WRMSR asked for a register whose access raises no #VC");
        return Answer::general_protection();
    }
    if (write) {
        const u32 high  = lower_register(ghcb, field::rdx);
        const u64 value = from_halves(high, lower_register(ghcb, field::rax));
        return write_guest_msr(vcpu, number, value) ? Answer::done() : Answer::general_protection();
    }
    u64 value = 0;
    if (!read_guest_msr(vcpu, number, value)) {
        return Answer::general_protection();
    }
    ghcb.put(field::rax, low_half(value));
    ghcb.put(field::rdx, high_half(value));
    return Answer::done();
}

} // namespace vestibule::sevsim
