// What the #VC entries call. Follow it down: vc/handler.h serves, vc/deliver.h gives the
// interrupted code the exceptions that it has earned.
#include "library/end.h"
#include "library/per_cpu.h"
#include "vc/deliver.h"
#include "vc/early.h"
#include "vc/handler.h"
#include "x86/cpu.h"

using namespace vestibule;
using library::PerCpu;

extern "C" {
// Called from library/entries.asm.
void vestibule_early_vc(vc::Frame& frame);
void vestibule_vc(vc::Frame& frame, PerCpu& cpu);
}

namespace {

void serve(vc::Frame& frame, PerCpu& cpu) {
    ghcb::Outcome outcome = vc::handle<x86::Cpu>(frame, cpu.context);
    if (outcome.kind == ghcb::Outcome::Kind::raise) {
        outcome = vc::deliver<x86::Cpu>(frame, outcome.vector, outcome.error_code);
    }
    if (outcome.kind == ghcb::Outcome::Kind::terminate) {
        library::end(outcome.reason);
    }
}

} // namespace

void vestibule_early_vc(vc::Frame& frame) {
    const ghcb::Outcome outcome = vc::handle_early<x86::Cpu>(frame);
    if (!outcome.is_done()) {
        library::end(outcome.reason);
    }
}

void vestibule_vc(vc::Frame& frame, PerCpu& cpu) {
    // SECURITY: the hypervisor can raise #VC in the handler itself, by an injection or by taking
    // memory away, and the CPU then began anew at the top of this stack. Where an NMI is handled
    // meanwhile the top is another one (library/nmi.cpp); here what was there is lost.
    if (cpu.vc_stack.holds(frame.rsp)) {
        library::end(ghcb::reason::vc_on_vc_stack);
    }
    serve(frame, cpu);
}

void vestibule_handle_vc(vestibule_cpu* cpu, vestibule_frame* frame) {
    serve(reinterpret_cast<vc::Frame&>(*frame), PerCpu::of(*cpu));
}
