// CPUID (exit 0x72): EAX and ECX in, all four out, upper halves zero.
#pragma once

#include "ghcb/call.h"
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
        Frame& frame = request.frame;
        using ghcb::Field;
        using ghcb::FieldSet;
        const u32 leaf = low_half(frame.rax);
        ghcb::Call<Cpu> call{request.context.ghcb};
        call.put(Field::rax, leaf);
        call.put(Field::rcx, low_half(frame.rcx));
        if (leaf == x86::cpuid_leaf::extended_state) {
            // The answer depends on XCR0, which the hypervisor cannot see. Before CR4.OSXSAVE is
            // set XCR0 has its reset value, and XGETBV would be #UD.
            call.put(Field::xcr0, (Cpu::cr4() & x86::cr4::osxsave) != 0 ? Cpu::xcr0() : 1);
        }
        constexpr FieldSet outputs = FieldSet::of(Field::rax) | FieldSet::of(Field::rbx)
                                     | FieldSet::of(Field::rcx) | FieldSet::of(Field::rdx);
        const ghcb::Answer answer = call.template exit<outputs>(exit_code, 0, 0);
        if (answer.outcome.is_done()) {
            frame.rax = low_half(answer.rax);
            frame.rbx = low_half(answer.rbx);
            frame.rcx = low_half(answer.rcx);
            frame.rdx = low_half(answer.rdx);
        }
        return answer.outcome;
    }
};

} // namespace vestibule::vc
