// SPDX-License-Identifier: BSD-2-Clause-Patent
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

[[noreturn]] void end_at(const vc::Frame& frame, PerCpu& cpu, ghcb::Reason reason) {
    ghcb::leave_last_words(cpu.context.ghcb, reason, frame.rip, frame.error_code,
                           cpu.context.culprit);
    library::end(reason);
}

} // namespace

// The entry pops all registers, so none is worth being saved once more: arguments are in R12, R13,
// R14.
[[clang::preserve_none]] void vestibule_vc(vc::Frame& frame, PerCpu& cpu, u32 before);
}

namespace {

// Tail calls want the same parameters throughout.

/// Any #VC.
[[gnu::noinline, clang::preserve_none]] void serve(vc::Frame& frame, PerCpu& cpu, u32 /*before*/) {
    Outcome outcome = vc::handle<library::Cpu, vc::FramePlace::as_pushed>(frame, cpu.context);
    if (outcome.kind == Outcome::Kind::raise) {
        outcome = vc::deliver<library::Cpu>(frame, outcome.vector, outcome.error_code);
    }
    if (outcome.kind == Outcome::Kind::terminate) {
        end_at(frame, cpu, outcome.reason);
    }
}

/// CPUID of an SEV-SNP guest's kernel, for which no table of opcodes and no GHCB page is needed. It
/// checks what vc::handle does, and leaves to that what is not plain.
[[gnu::noinline, clang::preserve_none]] void serve_cpuid(vc::Frame& frame, PerCpu& cpu,
                                                         u32 before) {
    const auto* code = reinterpret_cast<const volatile u8*>(frame.rip);
    // SECURITY (WeSee): both bytes, whatever the exit code says. Not before the code segment is
    // known to be the kernel's: of a #VC without an error code, and of user code, RIP is anything.
    if (frame.cs != cpu.context.kernel_code64 || !vc::is_whole(frame)
        || (frame.rflags & x86::rflags::tf) != 0 || code[0] != 0x0F || code[1] != 0xA2)
        [[unlikely]] {
        [[clang::musttail]] return serve(frame, cpu, before);
    }
    const Outcome outcome = vc::answer_from_page<library::Cpu>(frame, cpu.context);
    if (!outcome.is_done()) [[unlikely]] {
        end_at(frame, cpu, outcome.reason);
    }
    constexpr u8 length = 2;
    frame.rip += length;
    frame.rflags &= ~x86::rflags::rf;
}

} // namespace

void vestibule_vc(vc::Frame& frame, PerCpu& cpu, u32 before) {
    // SECURITY: the hypervisor can raise #VC in the handler itself, by an injection or by taking
    // memory away, and the CPU then began anew at the top of this stack. Only below an NMI's
    // handler is that another place than where the first one began (library/nmi.cpp).
    if (before != cpu.under_way.vcs_beneath
        || (cpu.under_way.leaving != 0 && cpu.under_way.mcs == 0) || library::in_vc_entry(frame)) {
        end_at(frame, cpu, ghcb::reason::vc_on_vc_stack);
    }
    if (frame.error_code == static_cast<u64>(x86::ExitCode::cpuid)
        && cpu.context.cpuid_table != nullptr) {
        [[clang::musttail]] return serve_cpuid(frame, cpu, before);
    }
    [[clang::musttail]] return serve(frame, cpu, before);
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
