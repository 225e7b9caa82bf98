// SPDX-License-Identifier: BSD-2-Clause-Patent
// What string instructions have in common: rCX counts, rSI and rDI move by DF, all three as wide as
// addresses are (APM volume 3, section 1.2.6; conformance 7 to 11).
#pragma once

#include "vc/registers.h"
#include "vc/request.h"
#include "x86/registers.h"

namespace vestibule::vc {

/// Elements that are still to be done: rCX with REP, else one.
inline u64 elements_left(const Request& request) {
    return request.instruction.repeat
               ? request.frame.rcx & size_mask(request.instruction.address_size)
               : 1;
}

/// From one element to the next.
inline u64 element_step(const Request& request) {
    const u64 size = request.instruction.operand_size;
    return (request.frame.rflags & x86::rflags::df) != 0 ? -size : size;
}

/// A register moved on by `by`, in the width of addresses.
inline void move_on(const Request& request, u8 number, u64 by) {
    const u8 size = request.instruction.address_size;
    write_register(request.frame, {.number = number}, size,
                   whole_register(request.frame, number) + by);
}

/// Accounts for `count` elements. Where some are left the instruction is to be executed again,
/// which lets interrupts in between as the CPU does.
[[gnu::noinline, clang::minsize]] inline ghcb::Outcome count_down(const Request& request,
                                                                  u64 count) {
    const u64 left = elements_left(request) - count;
    if (request.instruction.repeat) {
        move_on(request, gpr::rcx, -count);
    }
    return left == 0 ? ghcb::Outcome::done() : ghcb::Outcome::again();
}

} // namespace vestibule::vc
