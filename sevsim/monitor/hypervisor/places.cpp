// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "sevsim/monitor/hypervisor/places.h"

#include "sevsim/monitor/hypervisor/attacks.h"
#include "sevsim/monitor/hypervisor/ipi.h"
#include "sevsim/monitor/hypervisor/leaks.h"
#include "sevsim/monitor/hypervisor/lies.h"
#include "sevsim/monitor/hypervisor/page_lies.h"
#include "sevsim/monitor/processor/exits.h"
#include "sevsim/monitor/recording/records.h"

namespace vestibule::sevsim {

namespace {

/// Where a lie of the plan is to be told.
struct Place {
    bool is_ahead = false;
    u64 instruction; // the number of the one at which it is
};

/// Of one vCPU at a time.
struct Steps {
    const Options* whose = nullptr;
    u64 instruction      = 1;  // the number of the one that it stands at, from 1 on
    u64 rip              = 0;  // where it was entered
    u64 own_flag         = 0;  // its own trap flag
    u32 exceptions       = 0;  // what else is intercepted
    Place places[most_lies]{}; // by lies of the plan
    unsigned ahead = 0;        // how many of these are
};

constinit Steps steps{};

/// The `wanted`-th instruction from here on, which is a handler's first one. Where the guest is on
/// its way already, the one that it comes from is still to be counted.
void start(const Options& options, const Hostility& lie, u64 wanted) {
    Place& place = steps.places[&lie - options.hostile.begin()];
    if (steps.ahead == 0) {
        steps.whose       = &options;
        steps.instruction = 1;
        steps.rip         = 0;
    } else if (steps.whose != &options) {
        return; // another vCPU is on its way
    }
    steps.ahead += place.is_ahead ? 0 : 1;
    place = {.is_ahead    = true,
             .instruction = steps.instruction + (steps.rip != 0 ? 1 : 0) + wanted - 1};
}

/// The lie whose place the guest stands at, which is over with that; or nullptr.
const Hostility* take_place(const Options& options) {
    for (const Hostility& lie : options.hostile) {
        Place& place = steps.places[&lie - options.hostile.begin()];
        if (place.is_ahead && place.instruction <= steps.instruction) {
            place.is_ahead = false;
            --steps.ahead;
            return &lie;
        }
    }
    return nullptr;
}

/// NMIs as an honest hypervisor sends them: none while one is handled.
void inject_event(Vcpu& vcpu, u64 word) {
    if ((word & (event::type_mask | event::vector_mask)) != (event::nmi & ~event::valid)) {
        inject_by_force(vcpu, word);
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
    // No #VC takes so many instructions. Where the event's own handler raises such a #VC, the walk
    // would go on as long as the guest does.
    constexpr u64 longest_walk = 512;
    static constinit u64 vcs   = 0;
    static constinit u64 walks[most_lies]{}; // by lies of the plan
    if (options.hostile.is_honest()) {
        return;
    }
    ++vcs;
    for (const Hostility& lie : options.hostile) {
        const bool is_within =
            lie.lie == Lie::vc_within || lie.lie == Lie::event_within || lie.lie == Lie::msr_within;
        if (is_within && vcs == lie.at) {
            start(options, lie, lie.within);
        } else if (lie.lie == Lie::event_walk && exit_code == lie.at) {
            u64& walk = walks[&lie - options.hostile.begin()];
            if (walk != longest_walk) {
                start(options, lie, ++walk);
            }
        }
    }
}

void note_vmgexit(Vcpu& vcpu) {
    static constinit u64 vmgexits = 0;
    if (vcpu.options.hostile.is_honest()) {
        return;
    }
    ++vmgexits;
    for (const Hostility& lie : vcpu.options.hostile) {
        if (lie.lie == Lie::field_race && vmgexits == lie.at) {
            start(vcpu.options, lie, lie.within);
        }
    }
}

void attack_at_place(Vcpu& vcpu) {
    if (steps.ahead == 0 || steps.whose != &vcpu.options
        || (vcpu.vmcb.event_injection & event::valid) != 0) {
        return; // an event that is due comes first, and the next instruction is its handler's
    }
    while (const Hostility* const lie = take_place(vcpu.options)) {
        (void)tells(vcpu.options, lie->lie);
        if (lie->lie == Lie::field_race) {
            if (vcpu.last_ghcb != nullptr) {
                flip(vcpu.last_ghcb, lie->code);
                leaks::note_page(vcpu.options, reinterpret_cast<u64>(vcpu.last_ghcb),
                                 vcpu.last_ghcb);
            }
            continue;
        }
        if (lie->lie == Lie::msr_within) {
            take_msr(vcpu.options, *lie);
            continue;
        }
        if (lie->lie == Lie::vc_within) {
            raise_vc(vcpu, lie->code);
        } else {
            inject_event(vcpu, lie->code);
        }
        break; // what else is to come here comes at the handler's first instruction
    }
    if (steps.ahead == 0 || (vcpu.vmcb.event_injection & event::valid) != 0) {
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
    if (steps.rip == 0 || steps.whose != &vcpu.options) {
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
    if (steps.rip != 0 && steps.whose == &vcpu.options) {
        steps.instruction += vcpu.state().rip != steps.rip ? 1 : 0;
        steps.rip = 0;
    }
}

} // namespace vestibule::sevsim
