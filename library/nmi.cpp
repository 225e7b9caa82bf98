// SPDX-License-Identifier: BSD-2-Clause-Patent
// NMIs in an SEV-ES guest. The hypervisor cannot see the IRET that ends one, so it masks NMIs until
// the guest says NMI complete (exit 0x80000003), and may send the next one at that moment, before
// the IRET. So an NMI leaves its stack first: its frame moves to the exit stack, from where it says
// so and returns, and the next one finds the NMI stack empty. That one need not return to the exit
// of the first, which has nothing left to do but to return itself: it takes the first one's frame
// for its own. So they do not pile up, however fast they come.
//
// With vNMI it is the CPU that masks them, until the next IRET: that of a #VC in the NMI's own
// handler, say. A second NMI then comes by the latch stack, where it only leaves word, and is
// handled when the first one is.
#include "ghcb/nmi.h"
#include "library/cpu.h"
#include "library/end.h"
#include "library/interrupted.h"
#include "library/per_cpu.h"
#include "library/shelter.h"
#include "vc/frame.h"
#include "x86/descriptor.h"

using namespace vestibule;
using library::PerCpu;

extern "C" {
// Called from library/entries.asm.
vc::Frame* vestibule_nmi(vc::Frame& frame, PerCpu& cpu, u32 before);
vc::Frame* vestibule_nmi_again(PerCpu& cpu);
u32 vestibule_nmi_leave(PerCpu& cpu);
}

namespace {

/// Word by word, since no memcpy is here.
void copy_frame(vc::Frame& to, const vc::Frame& from) {
    auto* target       = reinterpret_cast<volatile u64*>(&to);
    const auto* source = reinterpret_cast<const volatile u64*>(&from);
    for (u64 n = 0; n < sizeof(vc::Frame) / sizeof(u64); ++n) {
        target[n] = source[n];
    }
}

/// Where the exit stack has its one frame: 8 bytes off an alignment of 16, as the CPU leaves them.
vc::Frame& exit_frame(PerCpu& cpu) {
    static_assert(sizeof(vc::Frame) % 16 == 8);
    return *reinterpret_cast<vc::Frame*>(cpu.exit_stack.top() - sizeof(vc::Frame));
}

/// Where the next NMI's frame goes.
void send_nmis_to(PerCpu& cpu, u64 top) { cpu.task().ist[cpu.setup.nmi_ist - 1U] = top; }

/// The kernel's handler, once for each NMI that there is. Others leave word meanwhile.
void handle(PerCpu& cpu, vc::Frame& leaving) {
    do {
        cpu.under_way.latched = 0;
        const library::Shelter shelter{leaving, cpu};
        cpu.setup.nmi(reinterpret_cast<const vestibule_frame*>(&leaving), cpu.setup.opaque);
    } while (cpu.under_way.latched != 0);

    // What an exit that is given up has kept of the page belongs to the #VC that it was to go back
    // to.
    if (cpu.context.ghcb.is_kept) {
        ghcb::put_page_back(cpu.context.ghcb, true);
    }
}

/// A second NMI while one is handled.
void latch(const vc::Frame& frame, PerCpu& cpu, u32 before) {
    // SECURITY: to its own IRET NMIs are masked again.
    if (cpu.under_way.latching != 0 || library::in_nmi_entry(frame)) {
        library::end(ghcb::reason::nmi_reentered);
    }
    cpu.under_way.latching = 1;
    cpu.under_way.nmi      = static_cast<u8>(before);
    cpu.under_way.latched  = 1;
    cpu.under_way.latching = 0;
}

void complete(PerCpu& cpu) {
    if (!ghcb::complete_nmi<library::Cpu>(cpu.context.ghcb)) {
        library::end(ghcb::reason::ghcb_reentered);
    }
}

} // namespace

vc::Frame* vestibule_nmi(vc::Frame& frame, PerCpu& cpu, u32 before) {
    if (!vc::is_whole(frame)) {
        library::end(ghcb::reason::bad_frame);
    }
    if (cpu.latch_stack.has_room(reinterpret_cast<u64>(&frame), 0)) {
        latch(frame, cpu, before);
        return nullptr;
    }
    // SECURITY: NMIs are masked to the first IRET at least, and by then they are sent to the latch
    // stack. This one is a hypervisor's that does not play by that, and it overwrote the other's
    // frame.
    if (before != 0 || library::in_nmi_entry(frame)) {
        library::end(ghcb::reason::nmi_reentered);
    }
    vc::Frame& leaving    = exit_frame(cpu);
    const bool takes_over = cpu.under_way.leaving != 0 || library::in_nmi_exit(frame);
    if (!takes_over) {
        copy_frame(leaving, frame);
    }
    cpu.under_way.leaving = 0;
    send_nmis_to(cpu, cpu.latch_stack.top());
    if (!takes_over) {
        cpu.interrupted_msr = library::Cpu::rdmsr(x86::Msr::ghcb);
    }
    handle(cpu, leaving);
    return &leaving;
}

vc::Frame* vestibule_nmi_again(PerCpu& cpu) {
    cpu.under_way.leaving = 0;
    vc::Frame& leaving    = exit_frame(cpu);
    handle(cpu, leaving);
    return &leaving;
}

/// From here on the next NMI may take the NMI stack, and this one's frame with it. Of one that left
/// word since the last look nobody else will hear.
u32 vestibule_nmi_leave(PerCpu& cpu) {
    send_nmis_to(cpu, cpu.nmi_stack.top());
    if (cpu.under_way.latched != 0) {
        send_nmis_to(cpu, cpu.latch_stack.top());
        return 1;
    }
    complete(cpu);
    // What it interrupted may be between two uses of the MSR protocol's MSR: a call of an SVSM, the
    // guest's end.
    library::Cpu::wrmsr(x86::Msr::ghcb, cpu.interrupted_msr);
    return 0;
}

void vestibule_nmi_complete(vestibule_cpu* cpu) { complete(PerCpu::of(*cpu)); }
