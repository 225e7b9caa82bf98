// SPDX-License-Identifier: BSD-2-Clause-Patent
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

/// Which registers go out, and which come back: none, or the first few of RAX,
/// RDX, RCX and RBX.
struct Exchanged {
    RegisterSet inputs;
    RegisterSet outputs;
};

/// One exchange where RCX is the only input beside RAX, or RCX and RDX are: register by register,
/// which takes a third of the instructions of a loop. `mask` covers the bytes that count. If the
/// answer is accepted the frame holds the results: 8 and 16 bits, which only RAX has, leave the
/// rest of it alone, 32 bits clear the upper half.
template <class Cpu>
[[gnu::always_inline]] inline ghcb::Outcome exchange_quickly(ghcb::Call<Cpu>& call, Frame& frame,
                                                             Exchanged exchanged, u64 exitinfo1,
                                                             u64 mask) {
    const RegisterSet inputs = exchanged.inputs;
    if (inputs.contains(registers::rax)) {
        call.put_register(registers::rax, frame.rax & mask);
    }
    if (inputs.contains(registers::rcx)) {
        call.put_register(registers::rcx, frame.rcx & mask);
        if (inputs.contains(registers::rdx)) {
            call.put_register(registers::rdx, frame.rdx & mask);
        }
    }
    const ghcb::Outcome outcome = call.leave(frame.error_code, exitinfo1, 0, exchanged.outputs);
    if (!outcome.is_done() || exchanged.outputs.empty()) {
        return outcome;
    }
    u64 rax = call.answered(0) & mask;
    if (mask < size_mask(4)) [[unlikely]] {
        rax |= frame.rax & ~mask;
    }
    frame.rax = rax;
    if (exchanged.outputs.contains(registers::rdx)) {
        frame.rdx = call.answered(registers::rdx.lowest()) & mask;
        if (exchanged.outputs.contains(registers::rcx)) {
            frame.rcx = call.answered(registers::rcx.lowest()) & mask;
            if (exchanged.outputs.contains(registers::rbx)) {
                frame.rbx = call.answered(registers::rbx.lowest()) & mask;
            }
        }
    }
    return outcome;
}

/// What an event shows that is in no register, or not as it is there.
struct Shown {
    ghcb::Field field;
    u64 value;
};

struct ShownList {
    const Shown* first = nullptr;
    unsigned count     = 0;
};

/// The same for any registers and what is shown beside them, where speed does not matter.
template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome exchange(const Request& request,
                                                         Exchanged exchanged, u64 exitinfo1 = 0,
                                                         u8 size = 4, ShownList shown = {}) {
    Frame& frame = request.frame;
    ghcb::Call<Cpu> call{request.context.ghcb};
    for (unsigned n = 0; n < shown.count; ++n) {
        call.put(shown.first[n].field, shown.first[n].value);
    }
    for (RegisterSet inputs = exchanged.inputs; !inputs.empty();) {
        const auto number = static_cast<u8>(inputs.take_lowest());
        call.put_register(RegisterSet::of(number), read_register(frame, {.number = number}, size));
    }
    const ghcb::Answer answer =
        call.exit(static_cast<x86::ExitCode>(frame.error_code), exitinfo1, 0, exchanged.outputs);
    if (answer.outcome.is_done()) {
        for (RegisterSet outputs = exchanged.outputs; !outputs.empty();) {
            const auto number = static_cast<u8>(outputs.take_lowest());
            write_register(frame, {.number = number}, size, answer.reg[number]);
        }
    }
    return answer.outcome;
}

/// Which of an event's requests vc/quick.h can serve.
enum class Quick : u8 {
    never,
    always, // it exchanges the registers that its row of the table of events says
    cpuid,  // that as well, but for the leaf that depends on more
    port,   // IN and OUT
    msr,    // RDMSR and WRMSR, but of registers that no honest hypervisor intercepts
};

/// What the table of events holds of such an event.
template <x86::ExitCode code, Exchanged registers, u8 info1, Mnemonic... mnemonics>
struct ExchangeEvent {
    static constexpr x86::ExitCode exit_code = code;
    static constexpr Exchanged exchanged     = registers;
    static constexpr u8 exitinfo1            = info1;
    static constexpr Quick quick             = Quick::always;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return (... || (mnemonic == mnemonics));
    }
};

} // namespace vestibule::vc
