// The early #VC handler: it works before there is a GHCB page, by the MSR protocol alone, so it
// serves CPUID and ends the guest on anything else. It is live from the first instruction that can
// raise #VC until the runtime handler takes over.
//
// It does not save the GHCB MSR: nobody has put a GHCB address there yet.
#pragma once

#include "ghcb/msr_protocol.h"
#include "ghcb/outcome.h"
#include "vc/frame.h"
#include "x86/exit_code.h"
#include "x86/registers.h"

namespace vestibule::vc {

/// Leaves whose answer depends on ECX. The MSR protocol has no room for it, and an answer for
/// sub-leaf 0 would be a wrong one.
constexpr bool is_indexed_leaf(u32 leaf) {
    constexpr u32 standard = (1u << 0x04) | (1u << 0x07) | (1u << 0x0B) | (1u << 0x0D)
                             | (1u << 0x0F) | (1u << 0x10) | (1u << 0x12) | (1u << 0x14)
                             | (1u << 0x17) | (1u << 0x18) | (1u << 0x1D) | (1u << 0x1E)
                             | (1u << 0x1F);
    if (leaf < 32) {
        return ((standard >> leaf) & 1) != 0;
    }
    return leaf == 0x24 || leaf == 0x8000'001D || leaf == 0x8000'0020;
}

template <class Cpu>
ghcb::Outcome handle_early(Frame& frame) {
    using ghcb::Outcome;
    namespace msr_protocol = ghcb::msr_protocol;
    using msr_protocol::CpuidRegister;

    if (frame.error_code != static_cast<u64>(x86::ExitCode::cpuid)) {
        return Outcome::terminate(
            {ghcb::reason::set_early_exit, ghcb::exit_as_reason_code(frame.error_code)});
    }
    // SECURITY (WeSee): both bytes, whatever the exit code says. Nothing before them: the stub's
    // own CPUIDs carry no prefix.
    const auto* code = reinterpret_cast<const volatile u8*>(frame.rip);
    if (code[0] != 0x0F || code[1] != 0xA2) {
        return Outcome::terminate(ghcb::reason::vc_opcode_mismatch);
    }
    const u32 leaf = low_half(frame.rax);
    if (low_half(frame.rcx) != 0 && is_indexed_leaf(leaf)) {
        return Outcome::terminate(ghcb::reason::vc_early_subleaf);
    }

    u32 value[4];
    for (unsigned n = 0; n < 4; ++n) {
        const auto wanted = static_cast<CpuidRegister>(n);
        const u64 answer  = msr_protocol::exchange<Cpu>(msr_protocol::encode_cpuid(leaf, wanted));
        if (!msr_protocol::answers_cpuid(answer, wanted)) {
            return Outcome::terminate(ghcb::reason::msr_bad_response);
        }
        value[n] = high_half(answer);
    }
    frame.rax = value[0];
    frame.rbx = value[1];
    frame.rcx = value[2];
    frame.rdx = value[3];
    frame.rip += 2;
    frame.rflags &= ~x86::rflags::rf;
    return Outcome::done();
}

} // namespace vestibule::vc
