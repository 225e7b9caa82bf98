// NMIs in an SEV-ES guest. The hypervisor cannot see the IRET that ends one, so it masks NMIs until
// the guest says NMI complete (exit 0x80000003), and may send the next one at that moment, before
// the IRET. So an NMI leaves its stack first: its frame moves to the exit stack, from where it says
// so and returns, and the next one finds the NMI stack empty. That one need not return to the exit
// of the first, which has nothing left to do but to return itself: it takes the first one's frame
// for its own. So they do not pile up, however fast they come.
//
// While an NMI's handler runs, #VCs begin below whatever the #VC stack holds: the NMI may have come
// in the middle of one, whose frame lies at the top.
#include "ghcb/nmi.h"
#include "library/end.h"
#include "library/interrupted.h"
#include "library/per_cpu.h"
#include "vc/frame.h"
#include "x86/cpu.h"
#include "x86/descriptor.h"

using namespace vestibule;
using library::PerCpu;

extern "C" {
// Called from library/entries.asm.
vc::Frame* vestibule_nmi(vc::Frame& frame, PerCpu& cpu, u32 before);
void vestibule_nmi_done(PerCpu& cpu);
}

namespace {

/// What a #VC needs of the stack, frame and handler together.
constexpr u64 vc_room = 4096;

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

/// Where #VCs are to begin while an NMI's handler runs that interrupted this.
u64 vc_stack_below(const vc::Frame& interrupted, PerCpu& cpu) {
    if (cpu.under_way.vcs == 0 && !library::in_vc_entry(interrupted)) {
        return cpu.vc_stack.top();
    }
    if (!cpu.vc_stack.has_room(interrupted.rsp, vc_room + cpu.guarded())) {
        library::end(ghcb::reason::vc_stack_full);
    }
    return interrupted.rsp & ~u64{15};
}

} // namespace

vc::Frame* vestibule_nmi(vc::Frame& frame, PerCpu& cpu, u32 before) {
    // SECURITY: NMIs are masked while one is handled; this one is a hypervisor's that does not play
    // by that, and it overwrote the other's frame.
    if (before != 0 || library::in_nmi_entry(frame)) {
        library::end(ghcb::reason::nmi_reentered);
    }
    vc::Frame& leaving = exit_frame(cpu);
    if (cpu.under_way.leaving == 0 && !library::in_nmi_exit(frame)) {
        copy_frame(leaving, frame);
    }
    cpu.under_way.leaving = 0;

    const unsigned ist        = cpu.setup.vc_ist - 1U;
    cpu.task().ist[ist]       = vc_stack_below(leaving, cpu);
    cpu.under_way.vcs_beneath = cpu.under_way.vcs;
    cpu.setup.nmi(reinterpret_cast<const vestibule_frame*>(&leaving), cpu.setup.opaque);
    cpu.under_way.vcs_beneath = 0;
    cpu.task().ist[ist]       = cpu.vc_stack.top();

    // What an exit that is given up has kept of the page belongs to the #VC that it was to go back
    // to.
    if (cpu.context.ghcb.is_kept) {
        ghcb::put_page_back(cpu.context.ghcb, true);
    }
    return &leaving;
}

void vestibule_nmi_done(PerCpu& cpu) {
    if (!ghcb::complete_nmi<x86::Cpu>(cpu.context.ghcb)) {
        library::end(ghcb::reason::ghcb_reentered);
    }
}

void vestibule_nmi_complete(vestibule_cpu* cpu) { vestibule_nmi_done(PerCpu::of(*cpu)); }
