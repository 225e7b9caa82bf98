// RDTSC (exit 0x6E), RDTSCP (0x87) and RDPMC (0x6F): counters in EDX:EAX, RDTSCP also TSC_AUX in
// ECX. Whether user mode may read them is for CR4.TSD and CR4.PCE to say (vc/policy.h).
#pragma once

#include "ghcb/call.h"
#include "vc/halves.h"
#include "vc/request.h"
#include "x86/exit_code.h"

namespace vestibule::vc {

struct RdtscEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::rdtsc;

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic == Mnemonic::rdtsc; }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        ghcb::Call<Cpu> call{request.context.ghcb};
        return exit_for_halves(call, request.frame, exit_code, 0, outputs::rax | outputs::rdx);
    }
};

struct RdtscpEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::rdtscp;

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic == Mnemonic::rdtscp; }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        ghcb::Call<Cpu> call{request.context.ghcb};
        return exit_for_halves(call, request.frame, exit_code, 0,
                               outputs::rax | outputs::rcx | outputs::rdx);
    }
};

struct RdpmcEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::rdpmc;

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic == Mnemonic::rdpmc; }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        ghcb::Call<Cpu> call{request.context.ghcb};
        call.put(ghcb::Field::rcx, low_half(request.frame.rcx));
        return exit_for_halves(call, request.frame, exit_code, 0, outputs::rax | outputs::rdx);
    }
};

} // namespace vestibule::vc
