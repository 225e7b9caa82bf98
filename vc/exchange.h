// Events that exchange registers and nothing else: CPUID, RDMSR and WRMSR, RDTSC(P), RDPMC, INVD
// and WBINVD. They differ in which registers go out and which come back, always in 32-bit halves
// that clear the upper ones (APM volume 3, section 2.3; conformance 3 and 6).
#pragma once

#include "ghcb/call.h"
#include "vc/registers.h"
#include "vc/request.h"
#include "x86/exit_code.h"

namespace vestibule::vc {

using ghcb::RegisterSet;
namespace registers = ghcb::registers;

/// Which registers go out, and which (of RAX, RCX, RDX, RBX) come back.
struct Exchanged {
    RegisterSet inputs;
    RegisterSet outputs;
    u8 exitinfo1 = 0;
};

/// One exchange of `size` bytes a register, beside what was put already. If the answer is accepted
/// the frame holds the results: 8 and 16 bits, which only RAX has, leave the rest of it alone, 32
/// bits clear the upper half.
///
/// The registers that most events have come one by one and not in a loop, which takes a third of
/// the instructions.
template <class Cpu>
[[gnu::always_inline]] inline ghcb::Outcome
exchange_within(ghcb::Call<Cpu>& call, Frame& frame, Exchanged exchanged, u64 exitinfo1, u8 size) {
    const u64 mask = size_mask(size);
    const auto put = [&](RegisterSet one, u64 value) {
        if (exchanged.inputs.contains(one)) {
            call.put_register(one, value & mask);
        }
    };
    put(registers::rax, frame.rax);
    put(registers::rcx, frame.rcx);
    put(registers::rdx, frame.rdx);
    constexpr RegisterSet usual = registers::rax | registers::rcx | registers::rdx;
    for (RegisterSet rest = exchanged.inputs.without(usual); !rest.empty();) {
        const unsigned number = rest.take_lowest();
        call.put_register(RegisterSet::of(number), saved_register(frame, number) & mask);
    }

    const ghcb::Outcome outcome = call.leave(frame.error_code, exitinfo1, 0, exchanged.outputs);
    if (!outcome.is_done()) {
        return outcome;
    }
    const auto take = [&](RegisterSet one, u64& reg) {
        if (exchanged.outputs.contains(one)) {
            reg = call.answered(one.lowest()) & mask;
        }
    };
    if (exchanged.outputs.contains(registers::rax)) {
        const u64 kept = size >= 4 ? 0 : frame.rax & ~mask;
        frame.rax      = kept | (call.answered(0) & mask);
    }
    take(registers::rdx, frame.rdx);
    take(registers::rcx, frame.rcx);
    take(registers::rbx, frame.rbx);
    return outcome;
}

/// For events that put more than registers.
template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome
exchange(const Request& request, ghcb::Call<Cpu>& call, Exchanged exchanged, u8 size = 4) {
    return exchange_within(call, request.frame, exchanged, exchanged.exitinfo1, size);
}

/// An event that is no more than this, once for all of them.
template <class Cpu>
[[gnu::noinline]] ghcb::Outcome exchange(Frame& frame, ghcb::Channel& channel, Exchanged exchanged,
                                         u64 exitinfo1, u8 size = 4) {
    ghcb::Call<Cpu> call{channel};
    return exchange_within(call, frame, exchanged, exitinfo1, size);
}

/// Which of an event's requests vc/quick.h can serve.
enum class Quick : u8 {
    never,
    always, // it exchanges the registers that its row of the table of events says
    cpuid,  // that as well, but for the leaf that depends on more
    port,   // IN and OUT
};

/// What the table of events holds of such an event.
template <x86::ExitCode code, Exchanged registers, Mnemonic... mnemonics>
struct ExchangeEvent {
    static constexpr x86::ExitCode exit_code = code;
    static constexpr Exchanged exchanged     = registers;
    static constexpr Quick quick             = Quick::always;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return (... || (mnemonic == mnemonics));
    }
};

} // namespace vestibule::vc
