// SPDX-License-Identifier: BSD-2-Clause-Patent
// The early #VC handler: it works before there is a GHCB page, by the MSR protocol alone, so it
// serves CPUID and ends the guest on anything else. It is live from the first instruction that can
// raise #VC until the runtime handler takes over, in 32-bit legacy mode (boot/legacy) as in long
// mode.
//
// It does not save the GHCB MSR: nobody has put a GHCB address there yet.
#pragma once

#include "ghcb/msr_protocol.h"
#include "ghcb/outcome.h"
#include "vc/frame.h"
#include "vc/frame32.h"
#include "x86/cpu.h"
#include "x86/cpuid.h"
#include "x86/exit_code.h"
#include "x86/registers.h"

namespace vestibule::vc {

/// The MSR protocol has no room for ECX, and an answer for sub-leaf 0 would be a wrong one.
using x86::is_indexed_leaf;

inline constexpr unsigned cpuid_length = 2;

/// What an early #VC brings, in whichever mode. The code is flat, so that its RIP is an address.
struct EarlyRequest {
    u64 error_code;
    u64 rip;
    u32 cs;
    u32 leaf;
    u32 subleaf;
};

/// Whether it is CPUID, of code that may have it.
[[gnu::always_inline]] inline ghcb::Outcome judge_early(const EarlyRequest& request) {
    using ghcb::Outcome;
    if (request.error_code != static_cast<u64>(x86::ExitCode::cpuid)) {
        return Outcome::terminate(
            {ghcb::reason::set_early_exit, ghcb::exit_as_reason_code(request.error_code)});
    }
    // The stub's own code, in a segment of either width: both read these bytes alike. Nobody else
    // is there yet.
    if ((request.cs & 3) != 0) {
        return Outcome::terminate(ghcb::reason::vc_code_segment);
    }
    // SECURITY (WeSee): both bytes, whatever the exit code says. Nothing before them: the stub's
    // own CPUIDs carry no prefix.
    const auto* code = reinterpret_cast<const volatile u8*>(request.rip);
    if (code[0] != 0x0F || code[1] != 0xA2) {
        return Outcome::terminate(ghcb::reason::vc_opcode_mismatch);
    }
    return Outcome::done();
}

/// Checks the request, asks the hypervisor, checks the answers; `answer` is for use only if the
/// outcome is done. Inlined: request and answer are then registers, and no words on the stack.
template <class Cpu>
[[gnu::always_inline]] inline ghcb::Outcome answer_early(const EarlyRequest& request,
                                                         x86::CpuidResult& answer) {
    using ghcb::Outcome;
    using ghcb::msr_protocol::CpuidRegister;

    if (const Outcome verdict = judge_early(request); !verdict.is_done()) {
        return verdict;
    }
    if (request.subleaf != 0 && is_indexed_leaf(request.leaf)) {
        return Outcome::terminate(ghcb::reason::vc_early_subleaf);
    }

    u32* const values[] = {&answer.eax, &answer.ebx, &answer.ecx, &answer.edx};
#pragma clang loop unroll(full) // answers are then registers, not words on the stack
    for (unsigned n = 0; n < 4; ++n) {
        if (!ghcb::msr_protocol::cpuid<Cpu>(request.leaf, static_cast<CpuidRegister>(n),
                                            *values[n])) {
            return Outcome::terminate(ghcb::reason::msr_bad_response);
        }
    }
    return Outcome::done();
}

/// One #VC in long mode, from 64-bit or compatibility-mode code.
template <class Cpu>
ghcb::Outcome handle_early(Frame& frame) {
    x86::CpuidResult answer;
    const ghcb::Outcome outcome = answer_early<Cpu>({.error_code = frame.error_code,
                                                     .rip        = frame.rip,
                                                     .cs         = low_half(frame.cs),
                                                     .leaf       = low_half(frame.rax),
                                                     .subleaf    = low_half(frame.rcx)},
                                                    answer);
    if (outcome.is_done()) {
        frame.rax = answer.eax;
        frame.rbx = answer.ebx;
        frame.rcx = answer.ecx;
        frame.rdx = answer.edx;
        frame.rip += cpuid_length;
        frame.rflags &= ~x86::rflags::rf;
    }
    return outcome;
}

/// One #VC in 32-bit legacy mode.
template <class Cpu>
ghcb::Outcome handle_early(Frame32& frame) {
    // SECURITY: without an error code (vc::is_whole), this is EFLAGS, whose bit 1 is always one.
    // The code here has CPL 0.
    if ((frame.cs & low_half(x86::rflags::reserved_one)) != 0) {
        return ghcb::Outcome::terminate(ghcb::reason::bad_frame);
    }
    x86::CpuidResult answer;
    const ghcb::Outcome outcome = answer_early<Cpu>({.error_code = frame.error_code,
                                                     .rip        = frame.eip,
                                                     .cs         = frame.cs,
                                                     .leaf       = frame.eax,
                                                     .subleaf    = frame.ecx},
                                                    answer);
    if (outcome.is_done()) {
        frame.eax = answer.eax;
        frame.ebx = answer.ebx;
        frame.ecx = answer.ecx;
        frame.edx = answer.edx;
        frame.eip += cpuid_length;
        frame.eflags &= ~low_half(x86::rflags::rf);
    }
    return outcome;
}

} // namespace vestibule::vc
