// CPUID (exit 0x72): EAX and ECX in, all four out, upper halves zero.
#pragma once

#include "vc/exchange.h"
#include "x86/registers.h"
#include "x86/sev.h"

namespace vestibule::vc {

struct CpuidEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::cpuid;
    static constexpr Quick quick             = Quick::cpuid;
    static constexpr u8 exitinfo1            = 0;
    static constexpr Exchanged exchanged     = {.inputs  = registers::rax | registers::rcx,
                                                .outputs = registers::rax | registers::rcx
                                                           | registers::rdx | registers::rbx};

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic == Mnemonic::cpuid; }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        if (low_half(request.frame.rax) == x86::cpuid_leaf::extended_state) {
            return serve_extended_state<Cpu>(request);
        }
        return exchange<Cpu>(request, exchanged);
    }

  private:
    /// The sizes depend on XCR0 and XSS, which the hypervisor cannot see.
    template <class Cpu>
    [[gnu::noinline, clang::minsize]] static ghcb::Outcome
    serve_extended_state(const Request& request) {
        const bool with_xss = low_half(request.frame.rcx) == 1 && request.context.uses_xss;
        // Before CR4.OSXSAVE is set XCR0 has its reset value, and XGETBV would be #UD.
        const Shown shown[] = {
            {ghcb::Field::xcr0, (Cpu::cr4() & x86::cr4::osxsave) != 0 ? Cpu::xcr0() : 1},
            {ghcb::Field::xss,  with_xss ? Cpu::rdmsr(x86::Msr::xss) : 0               },
        };
        return exchange<Cpu>(request, exchanged, 0, 4, {shown, with_xss ? 2U : 1U});
    }
};

} // namespace vestibule::vc
