// SPDX-License-Identifier: BSD-2-Clause-Patent
// What becomes of a #VC that cannot be served because of the code that stands there.
#pragma once

#include "ghcb/outcome.h"
#include "vc/frame.h"
#include "x86/registers.h"

namespace vestibule::vc {

constexpr u8 privilege_level(const Frame& frame) { return frame.cs & 3; }

/// SECURITY: user mode must not be able to end the guest. It can make any of these true: a thread
/// changes code or its LDT between the #VC of another thread and our look at them. So it gets an
/// exception, as on a machine where that instruction is not there; kernel code ends the guest.
constexpr ghcb::Outcome refuse(const Frame& frame, ghcb::Reason reason) {
    return privilege_level(frame) == 0 ? ghcb::Outcome::terminate(reason)
                                       : ghcb::Outcome::raise(x86::exception::invalid_opcode);
}

} // namespace vestibule::vc
