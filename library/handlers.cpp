// What the #VC entries call. Follow it down: vc/handler.h serves, vc/deliver.h gives the
// interrupted code the exceptions that it has earned.
#include "ghcb/last_words.h"
#include "library/cpu.h"
#include "library/end.h"
#include "library/interrupted.h"
#include "library/per_cpu.h"
#include "vc/deliver.h"
#include "vc/handler.h"

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

void vestibule_vc(vc::Frame& frame, PerCpu& cpu, u32 before);
}

void vestibule_vc(vc::Frame& frame, PerCpu& cpu, u32 before) {
    // SECURITY: the hypervisor can raise #VC in the handler itself, by an injection or by taking
    // memory away, and the CPU then began anew at the top of this stack. Only below an NMI's
    // handler is that another place than where the first one began (library/nmi.cpp).
    if (before != cpu.under_way.vcs_beneath
        || (cpu.under_way.leaving != 0 && cpu.under_way.mcs == 0) || library::in_vc_entry(frame)) {
        end_at(frame, cpu, ghcb::reason::vc_on_vc_stack);
    }
    Outcome outcome = vc::handle<library::Cpu, vc::FramePlace::as_pushed>(frame, cpu.context);
    if (outcome.kind == Outcome::Kind::raise) {
        outcome = vc::deliver<library::Cpu>(frame, outcome.vector, outcome.error_code);
    }
    if (outcome.kind == Outcome::Kind::terminate) {
        end_at(frame, cpu, outcome.reason);
    }
}

uint8_t vestibule_handle_vc(vestibule_cpu* cpu, vestibule_frame* frame, int gs_is_swapped) {
    auto& interrupted = reinterpret_cast<vc::Frame&>(*frame);
    // SECURITY: whether it came with an error code only the entry can tell for certain; but where
    // these flags are in truth a stack pointer, they are no flags.
    if ((interrupted.rflags & ~x86::rflags::defined) != x86::rflags::reserved_one) {
        library::end(ghcb::reason::bad_frame);
    }
    vc::Context& context  = PerCpu::of(*cpu).context;
    const bool outer      = context.gs_is_swapped; // of a #VC that this one is nested in
    context.gs_is_swapped = gs_is_swapped != 0;
    const Outcome outcome = vc::handle<library::Cpu>(interrupted, context);
    context.gs_is_swapped = outer;
    if (outcome.kind == Outcome::Kind::terminate) {
        end_at(interrupted, PerCpu::of(*cpu), outcome.reason);
    }
    if (outcome.kind != Outcome::Kind::raise) {
        return 0;
    }
    interrupted.error_code = outcome.error_code;
    return outcome.vector;
}
