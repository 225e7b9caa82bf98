// INVD (exit 0x76), WBINVD and WBNOINVD (both 0x89): nothing in, nothing out.
#pragma once

#include "ghcb/call.h"
#include "vc/halves.h"
#include "vc/request.h"
#include "x86/exit_code.h"

namespace vestibule::vc {

struct InvdEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::invd;

    static constexpr bool is_raised_by(Mnemonic mnemonic) { return mnemonic == Mnemonic::invd; }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        ghcb::Call<Cpu> call{request.context.ghcb};
        return exit_for_halves(call, request.frame, exit_code, 0, outputs::none);
    }
};

struct WbinvdEvent {
    static constexpr x86::ExitCode exit_code = x86::ExitCode::wbinvd;

    static constexpr bool is_raised_by(Mnemonic mnemonic) {
        return mnemonic == Mnemonic::wbinvd || mnemonic == Mnemonic::wbnoinvd;
    }

    template <class Cpu>
    static ghcb::Outcome serve(const Request& request) {
        ghcb::Call<Cpu> call{request.context.ghcb};
        return exit_for_halves(call, request.frame, exit_code, 0, outputs::none);
    }
};

} // namespace vestibule::vc
