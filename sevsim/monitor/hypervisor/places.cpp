// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/places.h"

#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/processor/exits.h"
#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

/// Of the one vCPU that is attacked.
struct Steps {
    bool under_way  = false;
    u64 instruction = 0; // the number of the one that it stands at, from 1 on
    u64 wanted      = 0;
    u64 rip         = 0; // where it was entered
    u64 own_flag    = 0; // its own trap flag
    u32 exceptions  = 0; // what else is intercepted
};

constinit Steps steps{};

void start(u64 wanted) { steps = {.under_way = true, .instruction = 1, .wanted = wanted}; }

/// NMIs as an honest hypervisor sends them: none while one is handled.
void inject_event(Vcpu& vcpu, u64 word) {
    if ((word & (event::type_mask | event::vector_mask)) != (event::nmi & ~event::valid)) {
        inject(vcpu, word);
    } else if (!vcpu.nmi_masked) {
        inject_nmi(vcpu);
    }
}

void trace_step(Vcpu& vcpu) {
    if (vcpu.options.trace) {
        Record("step")
            .number("vcpu", vcpu.index)
            .number("instruction", steps.instruction)
            .hex("rip", vcpu.state().rip)
            .end();
    }
}

/// The exception that the guest has earned while it was stepped: it goes on by its own IDT.
void pass_on(Vcpu& vcpu, u8 vector) {
    if (vector == x86::exception::page_fault) {
        vcpu.state().cr2 = vcpu.vmcb.exitinfo2;
    }
    inject(vcpu, x86::exception::pushes_error_code(vector)
                     ? event::exception(vector, low_half(vcpu.vmcb.exitinfo1))
                     : event::exception(vector));
}

} // namespace

void note_delivered_vc(const Options& options, u64 exit_code) {
    static constinit u64 vcs   = 0;
    static constinit u64 walks = 0;
    const Hostility& hostile   = options.hostile;
    const bool is_within       = hostile.lie == Lie::vc_within || hostile.lie == Lie::event_within
                           || hostile.lie == Lie::msr_within;
    if (is_within && ++vcs == hostile.at) {
        start(hostile.within);
    } else if (hostile.lie == Lie::event_walk && exit_code == hostile.at) {
        start(++walks);
    }
}

void attack_at_place(Vcpu& vcpu) {
    if (!steps.under_way || (vcpu.vmcb.event_injection & event::valid) != 0) {
        return; // an event that is due comes first, and the next instruction is its handler's
    }
    if (steps.instruction == steps.wanted) {
        const Hostility& hostile = vcpu.options.hostile;
        steps.under_way          = false;
        (void)tells(vcpu.options, hostile.lie);
        if (hostile.lie == Lie::msr_within) {
            take_msr(vcpu.options);
        } else if (hostile.lie == Lie::vc_within) {
            raise_vc(vcpu, hostile.code);
        } else {
            inject_event(vcpu, hostile.code);
        }
        return;
    }
    trace_step(vcpu);
    steps.rip        = vcpu.state().rip;
    steps.own_flag   = vcpu.state().rflags & x86::rflags::tf;
    steps.exceptions = vcpu.vmcb.intercept_exceptions;
    vcpu.state().rflags |= x86::rflags::tf;
    vcpu.vmcb.intercept_exceptions = ~u32{0}; // none may find that flag on its stack
}

bool end_step(Vcpu& vcpu) {
    if (!steps.under_way || steps.rip == 0) {
        return false;
    }
    const u64 code                 = vcpu.vmcb.exitcode;
    const u64 own                  = steps.own_flag;
    vcpu.state().rflags            = (vcpu.state().rflags & ~x86::rflags::tf) | own;
    vcpu.vmcb.intercept_exceptions = steps.exceptions;
    if (code < vmexit::exception || code >= vmexit::exception + x86::exception::count) {
        return false;
    }
    const auto vector = static_cast<u8>(code - vmexit::exception);
    steps.rip         = 0;
    ++steps.instruction;
    if (vector == x86::exception::debug && own == 0) {
        vcpu.state().dr6 = x86::dr6_reset;
    } else {
        pass_on(vcpu, vector);
    }
    return true;
}

void count_emulated_step(Vcpu& vcpu) {
    if (steps.under_way && steps.rip != 0) {
        steps.instruction += vcpu.state().rip != steps.rip ? 1 : 0;
        steps.rip = 0;
    }
}

} // namespace vestibule::sevsim
