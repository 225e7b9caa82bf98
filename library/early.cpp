// SPDX-License-Identifier: BSD-2-Clause-Patent
// #VC before a CPU was started: CPUID alone, by the MSR protocol (vc/early.h), or under SEV-SNP
// from the CPUID page, once the kernel has said where its table is. That is one word of memory for
// all CPUs, whose page is the same.
#include "vc/early.h"
#include "include/vestibule/snp.h"
#include "library/cpu.h"
#include "library/cpuid_table.h"
#include "library/end.h"
#include "vc/cpuid.h"

using namespace vestibule;
using ghcb::Outcome;

extern "C" {
void vestibule_early_vc(vc::Frame& frame); // called from library/entries.asm
}
#pragma GCC visibility push(hidden)
extern "C" {
extern u8 vestibule_xss_read[]; // library/fix_ups.asm
extern u8 vestibule_xss_is_intercepted[];
}
#pragma GCC visibility pop

namespace {

constinit const snp::CpuidTable* served = nullptr;

Outcome serve_from_page(vc::Frame& frame) {
    const Outcome verdict = vc::judge_early({.error_code = frame.error_code,
                                             .rip        = frame.rip,
                                             .cs         = low_half(frame.cs),
                                             .leaf       = low_half(frame.rax),
                                             .subleaf    = low_half(frame.rcx)});
    if (!verdict.is_done()) {
        return verdict;
    }
    vc::Context context{};
    context.cpuid_table   = served;
    const Outcome outcome = vc::answer_from_page<library::Cpu>(frame, context);
    if (outcome.is_done()) {
        frame.rip += vc::cpuid_length;
        frame.rflags &= ~x86::rflags::rf;
    }
    return outcome;
}

} // namespace

void vestibule_early_vc(vc::Frame& frame) {
    if (frame.error_code == static_cast<u64>(x86::ExitCode::msr)
        && frame.rip == reinterpret_cast<u64>(vestibule_xss_read)) {
        frame.rip = reinterpret_cast<u64>(vestibule_xss_is_intercepted);
        return;
    }
    Outcome outcome = Outcome::terminate(ghcb::reason::bad_frame);
    if (vc::is_whole(frame)) {
        outcome =
            served != nullptr ? serve_from_page(frame) : vc::handle_early<library::Cpu>(frame);
    }
    if (!outcome.is_done()) {
        library::end(outcome.reason);
    }
}

void vestibule_early_entry_serves(const vestibule_cpuid_table* table) {
    served = table != nullptr ? &library::table_of(*table) : nullptr;
}
