// SPDX-License-Identifier: BSD-2-Clause-Patent
// Events that stand for no instruction: what guest and hypervisor have to tell each other (GHCB
// specification, section 4.1, exits 0x80000003 and up).
#include "sevsim/monitor/hypervisor/attacks.h"
#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/hypervisor.h"
#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/recording/outcome.h"

namespace vestibule::sevsim {

/// The hypervisor cannot see the IRET that ends an NMI's handler, so the guest has to say it.
Answer serve_nmi_complete(Vcpu& vcpu, GhcbView&) {
    if (tells(vcpu.options, Lie::no_information)) {
        return Answer::unknown_event();
    }
    if (!vcpu.nmi_masked) {
        report_violation(Rule::nmi_complete_without_nmi, "NMI complete, and no NMI was injected");
    }
    vcpu.nmi_masked = false;
    return Answer::done();
}

/// SW_EXITINFO2 is not 0 where a SIPI has ended it, which is all that ends it here.
Answer serve_ap_reset_hold(Vcpu& vcpu, GhcbView&) {
    hold_until_sipi(vcpu);
    return Answer::done(1);
}

// --- AP jump table: SW_EXITINFO1 is 0 to set the address in SW_EXITINFO2, 1 to get it ---

namespace {

constinit u64 ap_jump_table = 0; // of the machine; 0: not set

} // namespace

void set_ap_jump_table(u64 gpa) { ap_jump_table = gpa; }

Inputs ap_jump_table_inputs(const GhcbView& ghcb) {
    const bool set = ghcb.get(field::exit_info_1) == 0;
    return {.required = {}, .optional = {}, .info_1 = ~u64{0}, .info_2 = set ? ~u64{0} : 0};
}

Answer serve_ap_jump_table(Vcpu&, GhcbView& ghcb) {
    switch (ghcb.get(field::exit_info_1)) {
    case 0: {
        const u64 gpa = ghcb.get(field::exit_info_2);
        if (gpa % page_size != 0 || !is_guest_memory(gpa)) {
            return Answer::invalid_input("the AP jump table's address is no page of memory");
        }
        set_ap_jump_table(gpa);
        return Answer::done();
    }
    case 1: return Answer::done(ap_jump_table);
    default: return Answer::invalid_input("SW_EXITINFO1 of AP jump table is neither 0 nor 1");
    }
}

Answer serve_features(Vcpu& vcpu, GhcbView&) { return Answer::done(told_features(vcpu.options)); }

// --- Ends ---

/// SW_EXITINFO1: reason set in [3:0], reason code in [11:4].
Answer serve_termination(Vcpu& vcpu, GhcbView& ghcb) {
    const u64 reason = ghcb.get(field::exit_info_1);
    const EndRequest asked{.set  = static_cast<u8>(reason & 0xF),
                           .code = static_cast<u8>(reason >> 4)};
    if (goes_on_behind_termination(vcpu)) {
        vcpu.termination = asked;
        return Answer::done();
    }
    end_run_by_termination(asked.set, asked.code, vcpu.last_ghcb);
}

/// SW_EXITINFO1: the exit code that the guest's #VC handler does not serve.
Answer serve_unsupported_event(Vcpu&, GhcbView& ghcb) {
    end_run_by_unsupported_event(ghcb.get(field::exit_info_1), ghcb.get(field::exit_info_2));
}

} // namespace vestibule::sevsim
