// What the #VC entries call. Follow it down: vc/handler.h serves, vc/deliver.h gives the
// interrupted code the exceptions that it has earned.
#include "ghcb/last_words.h"
#include "library/end.h"
#include "library/interrupted.h"
#include "library/per_cpu.h"
#include "vc/deliver.h"
#include "vc/early.h"
#include "vc/handler.h"
#include "x86/cpu.h"

using namespace vestibule;
using ghcb::Outcome;
using library::PerCpu;

extern "C" {
// Called from library/entries.asm.
namespace {

[[noreturn]] void end_at(const vc::Frame& frame, const PerCpu& cpu, ghcb::Reason reason) {
    ghcb::leave_last_words(cpu.context.ghcb, reason, frame.rip, frame.error_code,
                           cpu.context.culprit);
    library::end(reason);
}

} // namespace

void vestibule_early_vc(vc::Frame& frame);
void vestibule_vc(vc::Frame& frame, PerCpu& cpu, u32 before);
}

void vestibule_early_vc(vc::Frame& frame) {
    const Outcome outcome = vc::handle_early<x86::Cpu>(frame);
    if (!outcome.is_done()) {
        library::end(outcome.reason);
    }
}

void vestibule_vc(vc::Frame& frame, PerCpu& cpu, u32 before) {
    // SECURITY: the hypervisor can raise #VC in the handler itself, by an injection or by taking
    // memory away, and the CPU then began anew at the top of this stack. Only below an NMI's
    // handler is that another place than where the first one began (library/nmi.cpp).
    if (before != cpu.under_way.vcs_beneath || cpu.under_way.leaving != 0
        || library::in_vc_entry(frame)) {
        end_at(frame, cpu, ghcb::reason::vc_on_vc_stack);
    }
    Outcome outcome = vc::handle<x86::Cpu>(frame, cpu.context);
    if (outcome.kind == Outcome::Kind::raise) {
        outcome = vc::deliver<x86::Cpu>(frame, outcome.vector, outcome.error_code);
    }
    if (outcome.kind == Outcome::Kind::terminate) {
        end_at(frame, cpu, outcome.reason);
    }
}

uint8_t vestibule_handle_vc(vestibule_cpu* cpu, vestibule_frame* frame) {
    auto& interrupted     = reinterpret_cast<vc::Frame&>(*frame);
    const Outcome outcome = vc::handle<x86::Cpu>(interrupted, PerCpu::of(*cpu).context);
    if (outcome.kind == Outcome::Kind::terminate) {
        end_at(interrupted, PerCpu::of(*cpu), outcome.reason);
    }
    if (outcome.kind != Outcome::Kind::raise) {
        return 0;
    }
    interrupted.error_code = outcome.error_code;
    return outcome.vector;
}
