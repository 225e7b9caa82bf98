// SPDX-License-Identifier: BSD-2-Clause-Patent
// What became of a request: served, wholly or in part, or an exception for the code that asked, or
// the end.
#pragma once

#include "ghcb/termination.h"
#include "x86/types.h"

namespace vestibule::ghcb {

struct [[nodiscard]] Outcome {
    enum class Kind : u8 { done, again, raise, terminate };

    Kind kind      = Kind::done;
    u8 vector      = 0;  // raise: the exception
    Reason reason  = {}; // terminate: why
    u32 error_code = 0;  // raise: what the exception pushes, if it pushes one

    static constexpr Outcome done() { return {}; }

    /// Served in part: the instruction is to be executed again, for the rest.
    static constexpr Outcome again() { return {.kind = Kind::again}; }

    static constexpr Outcome raise(u8 vector, u32 error_code = 0) {
        return {.kind = Kind::raise, .vector = vector, .error_code = error_code};
    }

    static constexpr Outcome terminate(Reason reason) {
        return {.kind = Kind::terminate, .reason = reason};
    }

    constexpr bool is_done() const { return kind == Kind::done; }

    constexpr bool is_again() const { return kind == Kind::again; }
};

} // namespace vestibule::ghcb
