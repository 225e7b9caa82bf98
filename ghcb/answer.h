// SPDX-License-Identifier: BSD-2-Clause-Patent
// Judging SW_EXITINFO1 and SW_EXITINFO2 of an answer (GHCB specification, section 4.1.1): the two
// words are private copies by now, and everything that is not exactly right ends the guest.
#pragma once

#include "ghcb/outcome.h"
#include "x86/registers.h"
#include "x86/types.h"

namespace vestibule::ghcb {

/// Bits 31:0 of SW_EXITINFO1. A hypervisor may leave the others as the guest wrote them.
inline constexpr u32 exitinfo1_done      = 0;
inline constexpr u32 exitinfo1_exception = 1;
inline constexpr u32 exitinfo1_malformed = 2;

/// The word that asks for an exception has EVENTINJ's layout (APM volume 2, section 15.20).
struct EventWord {
    u64 value;

    constexpr u8 vector() const { return static_cast<u8>(value); }

    constexpr unsigned type() const { return static_cast<unsigned>(value >> 8) & 7; }

    constexpr bool has_error_code() const { return (value & bit(11)) != 0; }

    constexpr bool reserved_clear() const { return (value & 0x7FFF'F000) == 0; }

    constexpr bool is_valid() const { return (value & bit(31)) != 0; }

    constexpr u32 error_code() const { return high_half(value); }

    static constexpr unsigned type_exception = 3;
};

/// SECURITY: a hypervisor that could name any vector would run any handler of the guest with state
/// of its choice. Instructions that reach the hypervisor fail with #GP or #UD and nothing else.
constexpr Outcome judge_exception(EventWord event) {
    if (!event.is_valid() || !event.reserved_clear() || event.type() != EventWord::type_exception) {
        return Outcome::terminate(reason::ghcb_bad_exception);
    }
    if (event.vector() == x86::exception::general_protection) {
        // KVM marks no error code although #GP has one: it is then zero.
        return Outcome::raise(event.vector(), event.has_error_code() ? event.error_code() : 0);
    }
    if (event.vector() == x86::exception::invalid_opcode && !event.has_error_code()) {
        return Outcome::raise(event.vector());
    }
    return Outcome::terminate(reason::ghcb_bad_exception);
}

/// Every answer but the good one.
[[gnu::noinline, clang::minsize]] constexpr Outcome judge_refusal(u32 exitinfo1, u64 exitinfo2) {
    switch (exitinfo1) {
    case exitinfo1_exception: return judge_exception(EventWord{exitinfo2});
    case exitinfo1_malformed:
        if (exitinfo2 >= 1 && exitinfo2 <= 6) {
            return Outcome::terminate(
                {reason::set_vestibule,
                 static_cast<u8>(reason::ghcb_malformed_input.code + exitinfo2)});
        }
        break;
    default: break;
    }
    return Outcome::terminate(reason::ghcb_bad_response);
}

constexpr Outcome judge(u64 exitinfo1, u64 exitinfo2) {
    const u32 answer = low_half(exitinfo1);
    return answer == exitinfo1_done ? Outcome::done() : judge_refusal(answer, exitinfo2);
}

} // namespace vestibule::ghcb
