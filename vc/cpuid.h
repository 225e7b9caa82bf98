// SPDX-License-Identifier: BSD-2-Clause-Patent
// CPUID (exit 0x72): EAX and ECX in, all four out, upper halves zero. In an SEV-SNP guest nobody is
// asked (snp/cpuid_answer.h).
#pragma once

#include "snp/cpuid_answer.h"
#include "vc/exchange.h"
#include "x86/registers.h"
#include "x86/sev.h"

namespace vestibule::vc {

/// From the CPUID page. Registers are written once all four are there.
template <class Cpu>
[[gnu::always_inline]] inline ghcb::Outcome answer_from_page(Frame& frame, const Context& context) {
    const u32 leaf    = low_half(frame.rax);
    const u32 subleaf = low_half(frame.rcx);
    const bool by_xss = leaf == x86::cpuid_leaf::extended_state && subleaf == 1 && context.uses_xss;
    x86::CpuidResult answer{};
    if (!snp::answer_cpuid<Cpu>(*context.cpuid_table, leaf, subleaf,
                                by_xss ? Cpu::rdmsr(x86::Msr::xss) : 0, answer)) {
        return ghcb::Outcome::terminate(ghcb::reason::snp_cpuid_conflict);
    }
    frame.rax = answer.eax;
    frame.rbx = answer.ebx;
    frame.rcx = answer.ecx;
    frame.rdx = answer.edx;
    return ghcb::Outcome::done();
}

/// The same, apart, so that other events pay for no register of it.
template <class Cpu>
[[gnu::noinline]] ghcb::Outcome serve_from_page(Frame& frame, const Context& context) {
    return answer_from_page<Cpu>(frame, context);
}

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
        if (Cpu::serves_kernel && request.context.cpuid_table != nullptr) {
            return serve_from_page<Cpu>(request.frame, request.context);
        }
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
        const bool with_xss =
            Cpu::serves_kernel && low_half(request.frame.rcx) == 1 && request.context.uses_xss;
        // Before CR4.OSXSAVE is set XCR0 has its reset value, and XGETBV would be #UD.
        const Shown shown[] = {
            {ghcb::Field::xcr0, (Cpu::cr4() & x86::cr4::osxsave) != 0 ? Cpu::xcr0() : 1},
            {ghcb::Field::xss,  with_xss ? xss<Cpu>(request.context) : 0               },
        };
        return exchange<Cpu>(request, exchanged, 0, 4, {shown, with_xss ? 2U : 1U});
    }

    template <class Cpu>
    [[gnu::noinline, clang::minsize]] static u64 xss(Context& context) {
        if (!context.asks_for_xss) {
            return Cpu::rdmsr(x86::Msr::xss);
        }
        constexpr unsigned rax = 0;
        constexpr unsigned rdx = 2;
        ghcb::Call<Cpu> call{context.ghcb};
        call.put_register(registers::rcx, static_cast<u64>(x86::Msr::xss));
        const ghcb::Answer answer =
            call.exit(x86::ExitCode::msr, 0, 0, registers::rax | registers::rdx);
        return answer.outcome.is_done()
                   ? from_halves(low_half(answer.reg[rdx]), low_half(answer.reg[rax]))
                   : 0;
    }
};

} // namespace vestibule::vc
