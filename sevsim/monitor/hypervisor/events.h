// SPDX-License-Identifier: BSD-2-Clause-Patent
// The events that a guest can ask for through its GHCB page (GHCB specification, table 5): one row
// an event, with what it takes and who serves it.
#pragma once

#include "sevsim/monitor/hypervisor/ghcb_view.h"
#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// What an event's call must mark valid, what it may, and which bits of the two information words
/// mean something: the others must be zero.
struct Inputs {
    Fields required;
    Fields optional;
    u64 info_1 = 0;
    u64 info_2 = 0;
};

/// How a call ends: done with SW_EXITINFO2, or refused (GHCB specification, section 4.1.1).
struct Answer {
    enum class Kind : u8 {
        done,
        general_protection,
        invalid_scratch,
        invalid_input,
        unknown,
        nothing
    };

    Kind kind          = Kind::done;
    u64 info_2         = 0;
    const char* detail = nullptr; // what was wrong; the event's name where that says enough

    static constexpr Answer done(u64 info_2 = 0) { return {Kind::done, info_2}; }

    /// This hypervisor does not know the event, which is no fault of the guest's.
    static constexpr Answer unknown_event() { return {Kind::unknown}; }

    /// An event is injected in its place.
    static constexpr Answer nothing() { return {Kind::nothing}; }

    static constexpr Answer general_protection() { return {Kind::general_protection}; }

    static constexpr Answer invalid_scratch(const char* detail) {
        return {Kind::invalid_scratch, 0, detail};
    }

    static constexpr Answer invalid_input(const char* detail) {
        return {Kind::invalid_input, 0, detail};
    }
};

struct Event {
    u64 code;
    u16 since; // the protocol version that brought it
    bool snp;  // of SEV-SNP guests only
    const char* name;
    Inputs (*inputs)(const GhcbView& ghcb);
    Answer (*serve)(Vcpu& vcpu, GhcbView& ghcb);
};

/// Has the vCPU go on at another VMPL, by GHCB page or MSR; false where it has none
/// (event_vmpl.cpp).
bool run_vmpl(Vcpu& vcpu, u64 vmpl);

/// nullptr for an exit code that is not served.
const Event* find_event(u64 code);

/// A register of which the event takes the lower half. The guest shows the rest to no purpose.
u32 lower_register(const GhcbView& ghcb, u16 offset);

// Inputs that depend on the call, and what serves it: event_*.cpp, one file a kind.
Inputs cpuid_inputs(const GhcbView& ghcb);
Inputs ioio_inputs(const GhcbView& ghcb);
Inputs msr_inputs(const GhcbView& ghcb);
Inputs vmmcall_inputs(const GhcbView& ghcb);
Inputs ap_jump_table_inputs(const GhcbView& ghcb);
Inputs ap_creation_inputs(const GhcbView& ghcb);
Inputs guest_request_inputs(const GhcbView& ghcb);
Inputs run_vmpl_inputs(const GhcbView& ghcb);
Inputs apic_ids_inputs(const GhcbView& ghcb);
Inputs extended_request_inputs(const GhcbView& ghcb);
Inputs doorbell_inputs(const GhcbView& ghcb);
Inputs hv_ipi_inputs(const GhcbView& ghcb);

Answer serve_nothing(Vcpu& vcpu, GhcbView& ghcb); // an instruction without effect on this machine
Answer serve_dr7_read(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_dr7_write(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_rdtsc(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_rdtscp(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_rdpmc(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_cpuid(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_vmmcall(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_ioio(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_msr(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_mmio_read(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_mmio_write(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_nmi_complete(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_ap_reset_hold(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_ap_jump_table(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_page_state_change(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_guest_request(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_extended_request(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_apic_ids(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_run_vmpl(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_ap_creation(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_doorbell(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_hv_ipi(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_features(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_termination(Vcpu& vcpu, GhcbView& ghcb);
Answer serve_unsupported_event(Vcpu& vcpu, GhcbView& ghcb);

} // namespace vestibule::sevsim
