// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/doorbell.h"

#include "sevsim/monitor/hypervisor/events.h"
#include "sevsim/monitor/hypervisor/x2apic.h"
#include "sevsim/monitor/memory/nested_tables.h"
#include "sevsim/monitor/processor/processors.h"
#include "x86/sev.h"

extern "C" vestibule::u8 take_interrupt(); // processor/sleep.asm

namespace vestibule::sevsim {

namespace {

/// The first bytes of a doorbell page.
struct Page {
    u8 vector; // of the interrupt that is pending; the guest writes 0 once it has taken it
    u8 flags;
    u8 no_eoi_required;
};

constexpr u8 nmi_pending       = 1u << 0;
constexpr u8 no_further_signal = 1u << 7; // set with #HV; the guest clears it to be told of more

/// The page in the shared view, or nullptr where there is none, or the guest has taken it back.
volatile Page* page_of(const Vcpu& vcpu) {
    if (vcpu.doorbell == 0 || !is_shared(vcpu.doorbell)) {
        return nullptr;
    }
    return reinterpret_cast<volatile Page*>(shared_memory(vcpu.doorbell));
}

void signal(Vcpu& vcpu, volatile Page& page) {
    if ((page.flags & no_further_signal) != 0) {
        return;
    }
    page.flags = page.flags | no_further_signal;
    inject(vcpu, event::exception(x86::exception::hv_injection));
}

} // namespace

bool has_restricted_injection(const Vcpu& vcpu) {
    return (vcpu.options.sev_features & x86::SevFeatures::restricted_injection) != 0;
}

void ring_doorbell(Vcpu& vcpu) {
    volatile Page* const page = page_of(vcpu);
    const bool has_interrupt  = page != nullptr && vcpu.held_vector != 0 && page->vector == 0;
    if (page == nullptr || (!has_interrupt && !vcpu.nmi_pending)) {
        return;
    }
    if ((vcpu.vmcb.event_injection & event::valid) != 0) {
        wake(vcpu); // it comes back as soon as that event is delivered
        return;
    }
    if (vcpu.nmi_pending) {
        vcpu.nmi_pending = false;
        page->flags      = page->flags | nmi_pending;
    }
    if (has_interrupt) {
        page->vector          = vcpu.held_vector;
        page->no_eoi_required = 0; // the local APIC is QEMU's, which wants each
        vcpu.held_vector      = 0;
    }
    signal(vcpu, *page);
}

bool takes_interrupt(const Vcpu& vcpu) {
    const volatile Page* const page = page_of(vcpu);
    return page != nullptr && vcpu.held_vector == 0 && page->vector == 0;
}

void handle_interrupt(Vcpu& vcpu) { vcpu.held_vector = take_interrupt(); }

// --- #HV doorbell page: SW_EXITINFO1 is what is asked for, SW_EXITINFO2 an address ---

namespace {

enum class Operation : u64 { preferred = 0, set = 1, query = 2, clear = 3 };

} // namespace

Inputs doorbell_inputs(const GhcbView& ghcb) {
    const bool sets = ghcb.get(field::exit_info_1) == static_cast<u64>(Operation::set);
    return {.required = {}, .optional = {}, .info_1 = ~u64{0}, .info_2 = sets ? ~u64{0} : 0};
}

Answer serve_doorbell(Vcpu& vcpu, GhcbView& ghcb) {
    constexpr u64 no_preference = ~u64{0};
    if (!has_restricted_injection(vcpu)) {
        return Answer::unknown_event();
    }
    switch (static_cast<Operation>(ghcb.get(field::exit_info_1))) {
    case Operation::preferred: return Answer::done(no_preference);
    case Operation::set: {
        const u64 gpa = ghcb.get(field::exit_info_2);
        if (gpa == 0 || gpa % page_size != 0 || !is_guest_memory(gpa) || !is_shared(gpa)) {
            return Answer::invalid_input("the #HV doorbell page is no shared page of memory");
        }
        vcpu.doorbell = gpa;
        return Answer::done(gpa);
    }
    case Operation::query: return Answer::done(vcpu.doorbell);
    case Operation::clear: vcpu.doorbell = 0; return Answer::done();
    }
    return Answer::invalid_input("SW_EXITINFO1 of #HV doorbell page is more than 3");
}

/// SW_EXITINFO1: what x2APIC's interrupt command register would be written.
Inputs hv_ipi_inputs(const GhcbView&) {
    return {.required = {}, .optional = {}, .info_1 = ~u64{0}};
}

Answer serve_hv_ipi(Vcpu& vcpu, GhcbView& ghcb) {
    if (!has_restricted_injection(vcpu)) {
        return Answer::unknown_event();
    }
    write_interrupt_command(vcpu, ghcb.get(field::exit_info_1));
    return Answer::done();
}

} // namespace vestibule::sevsim
