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
/// the frame holds the results.
template <class Cpu>
[[gnu::noinline]] ghcb::Outcome exchange(const Request& request, ghcb::Call<Cpu>& call,
                                         Exchanged exchanged, u8 size = 4) {
    const u64 mask = size_mask(size);
    while (!exchanged.inputs.empty()) {
        const unsigned number = exchanged.inputs.take_lowest();
        call.put_register(number, saved_register(request.frame, number) & mask);
    }
    const auto code           = static_cast<x86::ExitCode>(request.frame.error_code);
    const ghcb::Answer answer = call.exit(code, exchanged.exitinfo1, 0, exchanged.outputs);
    while (answer.outcome.is_done() && !exchanged.outputs.empty()) {
        const unsigned number                 = exchanged.outputs.take_lowest();
        saved_register(request.frame, number) = answer.reg[number] & mask;
    }
    return answer.outcome;
}

/// An event that is no more than this, once for all of them.
template <class Cpu>
[[gnu::noinline]] ghcb::Outcome exchange(const Request& request, Exchanged exchanged) {
    ghcb::Call<Cpu> call{request.context.ghcb};
    return exchange(request, call, exchanged);
}

/// What the table of events holds of such an event.
template <x86::ExitCode code, Exchanged registers, Mnemonic... mnemonics>
struct ExchangeEvent {
    static constexpr x86::ExitCode exit_code = code;
    static constexpr Exchanged exchanged     = registers;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return (... || (mnemonic == mnemonics));
    }
};

} // namespace vestibule::vc
