// SPDX-License-Identifier: BSD-2-Clause-Patent
// The library's last resort: the termination request.
#pragma once

#include "ghcb/msr_protocol.h"
#include "ghcb/outcome.h"
#include "include/vestibule/vestibule.h"
#include "library/cpu.h"

namespace vestibule::library {

/// Asks again and again: a hypervisor need not obey, and of NMIs that a kernel handles by itself it
/// is the kernel's to see to it that the MSR holds the request still.
[[noreturn]] inline void end(ghcb::Reason reason) {
    for (;;) {
        (void)ghcb::msr_protocol::exchange<Cpu>(ghcb::msr_protocol::encode_termination(reason));
    }
}

constexpr vestibule_reason public_reason(ghcb::Reason reason) {
    return static_cast<vestibule_reason>((reason.set << 8) | reason.code);
}

/// 0 where it is done; of an exception that the hypervisor asks for, its vector.
constexpr vestibule_reason as_reason(const ghcb::Outcome& outcome) {
    switch (outcome.kind) {
    case ghcb::Outcome::Kind::terminate: return public_reason(outcome.reason);
    case ghcb::Outcome::Kind::raise:
        return public_reason({ghcb::reason::set_exception, outcome.vector});
    default: return 0;
    }
}

constexpr ghcb::Reason inner_reason(vestibule_reason reason) {
    return {.set = static_cast<u8>((reason >> 8) & 0xF), .code = static_cast<u8>(reason)};
}

} // namespace vestibule::library
