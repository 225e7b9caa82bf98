// NMIs in an SEV-ES guest. The hypervisor cannot see the IRET that ends one, so it masks NMIs until
// the guest says NMI complete (exit 0x80000003), and may send the next one at that moment, before
// the IRET. So an NMI leaves its stack first: its frame moves to the exit stack, from where it says
// so and returns, and the next one finds the NMI stack empty.
//
// While the NMI's handler runs, #VCs begin below whatever the #VC stack holds: the NMI may have
// come in the middle of one, whose frame lies at the top.
#include "ghcb/nmi.h"
#include "library/end.h"
#include "library/per_cpu.h"
#include "vc/frame.h"
#include "x86/cpu.h"
#include "x86/descriptor.h"

using namespace vestibule;
using library::PerCpu;

extern "C" {
// Called from library/entries.asm.
vc::Frame* vestibule_nmi(vc::Frame& frame, PerCpu& cpu);
void vestibule_nmi_done(PerCpu& cpu);
}

namespace {

/// What a #VC needs of the stack, frame and handler together, and what an NMI needs to end.
constexpr u64 vc_room   = 4096;
constexpr u64 exit_room = sizeof(vc::Frame) + 512;

/// Word by word, since no memcpy is here.
void copy_frame(vc::Frame& to, const vc::Frame& from) {
    auto* target       = reinterpret_cast<volatile u64*>(&to);
    const auto* source = reinterpret_cast<const volatile u64*>(&from);
    for (u64 n = 0; n < sizeof(vc::Frame) / sizeof(u64); ++n) {
        target[n] = source[n];
    }
}

/// On the exit stack, below what another NMI has there that was about to return.
vc::Frame* move_to_exit_stack(const vc::Frame& frame, PerCpu& cpu) {
    const u64 top = cpu.exit_stack.holds(frame.rsp) ? frame.rsp : cpu.exit_stack.top();
    if (top - cpu.exit_stack.bottom() < exit_room) {
        library::end(ghcb::reason::nmi_stack_full);
    }
    auto* moved = reinterpret_cast<vc::Frame*>((top - sizeof(vc::Frame) - 16) & ~u64{15});
    // The frame begins 8 bytes off an alignment of 16, as the CPU left it on its own stack.
    moved = reinterpret_cast<vc::Frame*>(reinterpret_cast<u64>(moved) + 8);
    copy_frame(*moved, frame);
    return moved;
}

} // namespace

vc::Frame* vestibule_nmi(vc::Frame& frame, PerCpu& cpu) {
    // SECURITY: NMIs are masked while one is handled; this one is a hypervisor's that does not play
    // by that, and it overwrote the other's frame.
    if (cpu.nmi_stack.holds(frame.rsp)) {
        library::end(ghcb::reason::nmi_reentered);
    }
    volatile x86::TaskState& task = cpu.task();
    const unsigned ist            = cpu.setup.vc_ist - 1U;
    const u64 before              = task.ist[ist];
    if (cpu.vc_stack.holds(frame.rsp)) {
        if (frame.rsp - cpu.vc_stack.bottom() < vc_room) {
            library::end(ghcb::reason::vc_stack_full);
        }
        task.ist[ist] = frame.rsp & ~u64{15};
    }
    cpu.setup.nmi(reinterpret_cast<const vestibule_frame*>(&frame));
    task.ist[ist] = before;
    return move_to_exit_stack(frame, cpu);
}

void vestibule_nmi_done(PerCpu& cpu) {
    if (!ghcb::complete_nmi<x86::Cpu>(cpu.context.ghcb)) {
        library::end(ghcb::reason::ghcb_reentered);
    }
}
