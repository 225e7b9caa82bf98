// CPUID (exit 0x72): EAX and ECX in, all four out, upper halves zero.
#pragma once

#include "ghcb/call.h"
#include "vc/halves.h"
#include "vc/request.h"
#include "x86/exit_code.h"
#include "x86/registers.h"
#include "x86/sev.h"

namespace vestibule::vc {

struct CpuidEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::cpuid;

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic == Mnemonic::cpuid; }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        using ghcb::Field;
        Frame& frame = request.frame;
        ghcb::Call<Cpu> call{request.context.ghcb};
        const u32 leaf    = low_half(frame.rax);
        const u32 subleaf = low_half(frame.rcx);
        call.put(Field::rax, leaf);
        call.put(Field::rcx, subleaf);
        if (leaf == x86::cpuid_leaf::extended_state) {
            put_extended_state(call, subleaf, request.context);
        }
        return exit_for_halves(call, frame, exit_code, 0,
                               outputs::rax | outputs::rbx | outputs::rcx | outputs::rdx);
    }

    /// The sizes in leaf 0xD depend on XCR0 and XSS, which the hypervisor cannot see.
    template <class Cpu>
    [[gnu::noinline, clang::minsize]] static void
    put_extended_state(ghcb::Call<Cpu>& call, u32 subleaf, const Context& context) {
        using ghcb::Field;
        // Before CR4.OSXSAVE is set XCR0 has its reset value, and XGETBV would be #UD.
        call.put(Field::xcr0, (Cpu::cr4() & x86::cr4::osxsave) != 0 ? Cpu::xcr0() : 1);
        if (subleaf == 1 && context.uses_xss) {
            call.put(Field::xss, Cpu::rdmsr(x86::Msr::xss));
        }
    }
};

} // namespace vestibule::vc
