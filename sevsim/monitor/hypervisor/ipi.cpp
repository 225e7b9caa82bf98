// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/ipi.h"

#include "sevsim/monitor/processor/local_apic.h"
#include "sevsim/monitor/processor/processors.h"

namespace vestibule::sevsim {

namespace {

bool is_addressed(const Vcpu& vcpu, const Vcpu& sender, u32 command) {
    switch (command & local_apic::shorthand_mask) {
    case local_apic::self: return &vcpu == &sender;
    case local_apic::all: return true;
    case local_apic::all_others: return &vcpu != &sender;
    default: break;
    }
    const u32 destination = local_apic::at(local_apic::command_high) >> 24;
    if ((command & local_apic::logical) != 0) {
        return (destination & vcpu.logical_id) != 0; // the flat model
    }
    return destination == local_apic::everyone || destination == vcpu.index;
}

void send_nmi(Vcpu& vcpu, const Vcpu& sender) {
    vcpu.nmi_pending = true;
    const bool halts = vcpu.activity == Activity::halted;
    if (halts) {
        vcpu.activity = Activity::running;
    }
    if (halts || (&vcpu != &sender && vcpu.activity == Activity::running)) {
        wake(vcpu);
    }
}

/// It also forgets an NMI that has not been taken (APM volume 2, section 14.1.2).
void send_init(Vcpu& vcpu, const Vcpu& sender) {
    vcpu.nmi_pending = false;
    if (vcpu.vmsa_at_init != 0) {
        start_vcpu(vcpu, vcpu.vmsa_at_init, sender);
        vcpu.vmsa_at_init = 0;
    } else if (vcpu.activity == Activity::no_vmsa) {
        return;
    } else if (vcpu.activity == Activity::running) {
        vcpu.init_received = true;
        if (&vcpu != &sender) {
            wake(vcpu);
        }
    } else {
        vcpu.activity = Activity::waits_for_sipi;
    }
}

/// Nothing else waits for it. The second SIPI of a pair is lost on a vCPU that has meanwhile gone
/// into reset hold: what the first one led to need not be there any more.
void send_startup(Vcpu& vcpu) {
    if (vcpu.activity == Activity::running && vcpu.init_received) {
        vcpu.init_received = false; // its processor has not come to it yet
        vcpu.started_again = true;
    } else if (vcpu.activity == Activity::waits_for_sipi) {
        vcpu.activity = Activity::running;
        wake(vcpu);
    }
}

} // namespace

bool send_ipi(Vcpu& sender, u32 command) {
    const u32 mode = command & local_apic::mode_mask;
    const bool is_deassert =
        (command & local_apic::level_triggered) != 0 && (command & local_apic::assert_level) == 0;
    if (mode != local_apic::nmi && mode != local_apic::init && mode != local_apic::startup) {
        return false;
    }
    for (Vcpu& vcpu : vcpus()) {
        if (!is_addressed(vcpu, sender, command)) {
            continue;
        }
        if (mode == local_apic::nmi) {
            send_nmi(vcpu, sender);
        } else if (mode == local_apic::startup) {
            send_startup(vcpu);
        } else if (!is_deassert) {
            send_init(vcpu, sender);
        }
    }
    return true;
}

bool force_init(u64 index) {
    if (index >= vcpus().size()) {
        return false;
    }
    Vcpu& vcpu = vcpus()[index];
    send_init(vcpu, vcpu);
    if (vcpu.init_received) {
        wake(vcpu); // it comes as soon as the guest is out
    }
    return true;
}

bool force_startup(u64 index) {
    if (index >= vcpus().size()) {
        return false;
    }
    send_startup(vcpus()[index]);
    return true;
}

// A guest lets go of its last lock before it asks to be held, so INIT and SIPI may come in between,
// where a hypervisor that forgot them would hold the vCPU for good.
void hold_until_sipi(Vcpu& vcpu) {
    if (vcpu.started_again) {
        vcpu.started_again = false;
        return;
    }
    stop(vcpu, Activity::reset_hold,
         "AP reset hold: nobody sends the INIT and SIPI that would end it");
}

void deliver_pending_nmi(Vcpu& vcpu) {
    if (!vcpu.nmi_pending || vcpu.nmi_masked) {
        return;
    }
    if ((vcpu.vmcb.event_injection & event::valid) != 0) {
        wake(vcpu); // it comes back as soon as that event is delivered
        return;
    }
    vcpu.nmi_pending = false;
    inject_nmi(vcpu);
}

void inject_nmi(Vcpu& vcpu) {
    inject(vcpu, event::nmi);
    vcpu.nmi_masked = true;
}

} // namespace vestibule::sevsim
