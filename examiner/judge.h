// SPDX-License-Identifier: BSD-2-Clause-Patent
// Holds an answer through the GHCB page against what is demanded (GHCB specification,
// section 4.1.1).
#pragma once

#include "examiner/case.h"

namespace vestibule::examiner {

/// SW_EXITINFO2 of an exception: #GP, valid, of type exception, with nothing in the bits between.
/// KVM leaves out the error code that #GP has, and the specification's word for it has room for
/// none (section 4.1.1), so both are right; an error code that comes is 0.
constexpr Verdict is_general_protection(const Answer& answer) {
    constexpr u64 event_mask   = 0xFFFF'F7FF; // all but "an error code is valid"
    constexpr u64 wanted       = 0x8000'030D;
    constexpr unsigned to_code = 32;
    return first_of(equal("SW_EXITINFO2[31:0], the event", answer.info_2 & event_mask, wanted),
                    equal("SW_EXITINFO2[63:32], the error code", answer.info_2 >> to_code, 0));
}

constexpr Verdict is_valid(const Answer& answer, FieldSet outputs) {
    return first_of(
        equal("VALID_BITMAP[63:0], the outputs", answer.valid.low & outputs.low, outputs.low),
        equal("VALID_BITMAP[127:64], the outputs", answer.valid.high & outputs.high, outputs.high));
}

/// Both information words are always part of an answer.
inline constexpr FieldSet always_valid = fields::info_1 | fields::info_2;

constexpr Verdict judge(const Answer& answer, const Wanted& wanted) {
    const u32 code       = low_half(answer.info_1);
    const Verdict marked = is_valid(answer, always_valid | wanted.outputs);
    switch (wanted.kind) {
    case Wanted::Kind::done:
        return first_of(equal("SW_EXITINFO1[31:0]", code, response::done), marked,
                        wanted.has_info_2 ? equal("SW_EXITINFO2", answer.info_2, wanted.info_2)
                                          : Verdict::passed());
    case Wanted::Kind::general_protection:
        return first_of(equal("SW_EXITINFO1[31:0]", code, response::exception),
                        is_general_protection(answer), marked);
    case Wanted::Kind::malformed:
        return first_of(
            equal("SW_EXITINFO1[31:0]", code, response::malformed),
            equal("SW_EXITINFO2[31:0], the reason", low_half(answer.info_2), wanted.reason),
            marked);
    case Wanted::Kind::refused:
        if (code == response::exception) {
            return first_of(is_general_protection(answer), marked);
        }
        return first_of(equal("SW_EXITINFO1[31:0]", code, response::malformed), marked);
    case Wanted::Kind::done_or_malformed:
        return code == response::done
                   ? marked
                   : first_of(equal("SW_EXITINFO1[31:0]", code, response::malformed), marked);
    }
    return Verdict::passed();
}

} // namespace vestibule::examiner
