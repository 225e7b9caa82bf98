// Exits without an instruction to look at: exceptions that the hypervisor intercepts and hands
// back, and those that nobody serves.
#pragma once

#include "ghcb/call.h"
#include "vc/context.h"
#include "vc/frame.h"
#include "vc/refuse.h"
#include "x86/exit_code.h"
#include "x86/registers.h"

namespace vestibule::vc {

template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome serve_undecoded(const Frame& frame,
                                                                Context& context) {
    using ghcb::Outcome;
    switch (static_cast<x86::ExitCode>(frame.error_code)) {
    // For the interrupted code's own handlers. The error code of #AC is always zero.
    case x86::ExitCode::exception_db: return Outcome::raise(x86::exception::debug);
    case x86::ExitCode::exception_ac: return Outcome::raise(x86::exception::alignment_check);
    // SECURITY: the hypervisor took a page away. Validating it again would let it show old contents
    // (APM volume 2, section 15.36.7).
    case x86::ExitCode::page_not_validated:
        return Outcome::terminate(ghcb::reason::vc_page_unvalidated);
    default: break;
    }
    const ghcb::Reason reason{ghcb::reason::set_runtime_exit,
                              ghcb::exit_as_reason_code(frame.error_code)};
    const Outcome refused = refuse(frame, reason);
    if (refused.kind == Outcome::Kind::terminate) {
        // The protocol's own way of saying it; whatever comes back, it is the end.
        ghcb::Call<Cpu> call{context.ghcb};
        (void)call.exit(x86::ExitCode::unsupported_event, frame.error_code, 0,
                        ghcb::registers::none);
    }
    return refused;
}

} // namespace vestibule::vc
