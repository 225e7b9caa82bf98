// Results that come in 32-bit halves and clear the upper ones: CPUID, RDMSR, RDTSC, RDTSCP, RDPMC
// (APM volume 3, section 2.3; conformance 3 and 6).
#pragma once

#include "ghcb/call.h"
#include "vc/frame.h"
#include "x86/exit_code.h"

namespace vestibule::vc {

/// The registers of a GHCB answer, as sets that an event wants.
namespace outputs {
inline constexpr ghcb::FieldSet none{};
inline constexpr ghcb::FieldSet rax = ghcb::FieldSet::of(ghcb::Field::rax);
inline constexpr ghcb::FieldSet rbx = ghcb::FieldSet::of(ghcb::Field::rbx);
inline constexpr ghcb::FieldSet rcx = ghcb::FieldSet::of(ghcb::Field::rcx);
inline constexpr ghcb::FieldSet rdx = ghcb::FieldSet::of(ghcb::Field::rdx);
} // namespace outputs

/// Exits, and if the answer is accepted moves the registers wanted into the frame.
template <class Cpu>
[[gnu::noinline]] ghcb::Outcome exit_for_halves(ghcb::Call<Cpu>& call, Frame& frame,
                                                x86::ExitCode code, u64 exitinfo1,
                                                ghcb::FieldSet wanted) {
    const ghcb::Answer answer = call.exit(code, exitinfo1, 0, wanted);
    if (answer.outcome.is_done()) {
        const auto move = [&](ghcb::FieldSet one, u64& to, u64 from) {
            if (wanted.contains(one)) {
                to = low_half(from);
            }
        };
        move(outputs::rax, frame.rax, answer.rax);
        move(outputs::rbx, frame.rbx, answer.rbx);
        move(outputs::rcx, frame.rcx, answer.rcx);
        move(outputs::rdx, frame.rdx, answer.rdx);
    }
    return answer.outcome;
}

} // namespace vestibule::vc
