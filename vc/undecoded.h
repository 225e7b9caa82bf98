// SPDX-License-Identifier: BSD-2-Clause-Patent
// Exits that no instruction answers for: exceptions that the hypervisor intercepts and hands back,
// memory that it took away, and exits that nobody serves.
#pragma once

#include "ghcb/call.h"
#include "vc/context.h"
#include "vc/frame.h"
#include "vc/refuse.h"
#include "x86/exit_code.h"
#include "x86/registers.h"

namespace vestibule::vc {

/// Where there is nothing to decode, and perhaps nothing that may be read.
constexpr bool names_no_instruction(u64 error_code) {
    return error_code == static_cast<u64>(x86::ExitCode::exception_db)
           || error_code == static_cast<u64>(x86::ExitCode::exception_ac)
           || error_code == static_cast<u64>(x86::ExitCode::page_not_validated);
}

inline ghcb::Outcome serve_undecoded(u64 error_code) {
    using ghcb::Outcome;
    switch (static_cast<x86::ExitCode>(error_code)) {
    // For the interrupted code's own handlers. The error code of #AC is always zero.
    case x86::ExitCode::exception_db: return Outcome::raise(x86::exception::debug);
    case x86::ExitCode::exception_ac: return Outcome::raise(x86::exception::alignment_check);
    // SECURITY: the hypervisor took a page away. Validating it again would let it show old contents
    // (APM volume 2, section 15.36.7).
    default: return Outcome::terminate(ghcb::reason::vc_page_unvalidated);
    }
}

/// The protocol's own way of saying that an exit is not served; whatever comes back, kernel code
/// ends here. User mode, which may execute what it likes, gets #UD and the hypervisor nothing.
template <class Cpu>
[[gnu::noinline, clang::minsize]] ghcb::Outcome report_unsupported(const Frame& frame,
                                                                   Context& context) {
    const ghcb::Outcome refused = refuse(
        frame, {ghcb::reason::set_runtime_exit, ghcb::exit_as_reason_code(frame.error_code)});
    if (refused.kind == ghcb::Outcome::Kind::terminate) {
        ghcb::Call<Cpu> call{context.ghcb};
        (void)call.exit(x86::ExitCode::unsupported_event, frame.error_code, 0,
                        ghcb::registers::none);
    }
    return refused;
}

} // namespace vestibule::vc
