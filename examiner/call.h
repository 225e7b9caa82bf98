// SPDX-License-Identifier: BSD-2-Clause-Patent
// A call through the GHCB page as a row of a table: what the page shows, right or wrong, and what
// has to come back (GHCB specification, sections 2.1 and 4).
#pragma once

#include "ghcb/page.h"
#include "x86/exit_code.h"

namespace vestibule::examiner {

using ghcb::Field;
using ghcb::FieldSet;
using x86::ExitCode;

inline constexpr u64 buffer_begin = offsetof(ghcb::Page, shared_buffer);
inline constexpr u64 buffer_size  = sizeof(ghcb::Page::shared_buffer);
inline constexpr u64 buffer_end   = buffer_begin + buffer_size;

namespace fields {
inline constexpr FieldSet none{};
inline constexpr FieldSet rax     = FieldSet::of(Field::rax);
inline constexpr FieldSet rcx     = FieldSet::of(Field::rcx);
inline constexpr FieldSet rdx     = FieldSet::of(Field::rdx);
inline constexpr FieldSet rbx     = FieldSet::of(Field::rbx);
inline constexpr FieldSet cpl     = FieldSet::of(Field::cpl);
inline constexpr FieldSet xss     = FieldSet::of(Field::xss);
inline constexpr FieldSet xcr0    = FieldSet::of(Field::xcr0);
inline constexpr FieldSet code    = FieldSet::of(Field::sw_exitcode);
inline constexpr FieldSet info_1  = FieldSet::of(Field::sw_exitinfo1);
inline constexpr FieldSet info_2  = FieldSet::of(Field::sw_exitinfo2);
inline constexpr FieldSet scratch = FieldSet::of(Field::sw_scratch);
inline constexpr FieldSet halves  = rax | rdx;
inline constexpr FieldSet four    = rax | rbx | rcx | rdx;
} // namespace fields

/// What the page shows. A register that is named is marked valid; without() withdraws that.
struct Call {
    static constexpr u16 negotiated = 0xFFFF; ///< PROTOCOL_VERSION as boot info has it

    u64 code   = 0;
    u64 info_1 = 0;
    u64 info_2 = 0;
    FieldSet valid{};
    u64 rax         = 0;
    u64 rcx         = 0;
    u64 rdx         = 0;
    u64 rbx         = 0;
    u64 scratch     = 0; ///< from the GHCB page's address on, or an address of its own
    u64 xcr0        = 0;
    u64 xss         = 0;
    u32 usage       = 0;
    u16 version     = negotiated;
    u8 cpl          = 0;
    bool is_outside = false; ///< SW_SCRATCH is an address of its own

    constexpr Call with_rax(u64 value) const { return with(&Call::rax, fields::rax, value); }

    constexpr Call with_rcx(u64 value) const { return with(&Call::rcx, fields::rcx, value); }

    constexpr Call with_rdx(u64 value) const { return with(&Call::rdx, fields::rdx, value); }

    constexpr Call with_rbx(u64 value) const { return with(&Call::rbx, fields::rbx, value); }

    constexpr Call with_cpl(u8 value) const {
        Call call  = *this;
        call.cpl   = value;
        call.valid = valid | fields::cpl;
        return call;
    }

    constexpr Call with_xcr0(u64 value) const { return with(&Call::xcr0, fields::xcr0, value); }

    constexpr Call with_xss(u64 value) const { return with(&Call::xss, fields::xss, value); }

    /// SW_SCRATCH, an offset in the page.
    constexpr Call with_scratch(u64 offset = buffer_begin) const {
        Call call       = *this;
        call.scratch    = offset;
        call.is_outside = false;
        call.valid      = valid | fields::scratch;
        return call;
    }

    /// SW_SCRATCH, a guest-physical address.
    constexpr Call with_scratch_at(u64 gpa) const {
        Call call       = with_scratch(gpa);
        call.is_outside = true;
        return call;
    }

    constexpr Call without(FieldSet gone) const {
        Call call  = *this;
        call.valid = {valid.low & ~gone.low, valid.high & ~gone.high};
        return call;
    }

    constexpr Call of_version(u16 other) const {
        Call call    = *this;
        call.version = other;
        return call;
    }

    constexpr Call of_usage(u32 other) const {
        Call call  = *this;
        call.usage = other;
        return call;
    }

  private:
    constexpr Call with(u64 Call::* member, FieldSet field, u64 value) const {
        Call call    = *this;
        call.*member = value;
        call.valid   = valid | field;
        return call;
    }
};

constexpr Call call_of(u64 code, u64 info_1 = 0, u64 info_2 = 0) {
    return {.code   = code,
            .info_1 = info_1,
            .info_2 = info_2,
            .valid  = fields::code | fields::info_1 | fields::info_2};
}

constexpr Call call_of(ExitCode code, u64 info_1 = 0, u64 info_2 = 0) {
    return call_of(static_cast<u64>(code), info_1, info_2);
}

/// What has come back, copied once.
struct Answer {
    u64 info_1 = 0;
    u64 info_2 = 0;
    FieldSet valid{};
    u64 rax = 0;
    u64 rbx = 0;
    u64 rcx = 0;
    u64 rdx = 0;
};

/// SW_EXITINFO1[31:0] of an answer, and SW_EXITINFO2 of malformed input (section 4.1.1).
namespace response {
inline constexpr u32 done      = 0;
inline constexpr u32 exception = 1;
inline constexpr u32 malformed = 2;
} // namespace response

namespace reason {
inline constexpr u32 not_registered = 1;
inline constexpr u32 usage          = 2;
inline constexpr u32 scratch        = 3;
inline constexpr u32 missing        = 4;
inline constexpr u32 input          = 5;
inline constexpr u32 event          = 6;
} // namespace reason

/// What the answer has to be.
struct Wanted {
    enum class Kind : u8 {
        done,
        general_protection,
        malformed,         // with that reason
        refused,           // malformed with any reason, or an exception
        done_or_malformed, // one of them, said properly
    };

    Kind kind  = Kind::done;
    u32 reason = 0;
    FieldSet outputs{};      ///< that have to be valid
    bool has_info_2 = false; ///< SW_EXITINFO2 is given
    u64 info_2      = 0;
};

constexpr Wanted done(FieldSet outputs = {}) {
    return {.kind = Wanted::Kind::done, .outputs = outputs};
}

constexpr Wanted done_with_info_2(u64 info_2) {
    return {.kind = Wanted::Kind::done, .has_info_2 = true, .info_2 = info_2};
}

constexpr Wanted malformed(u32 reason) {
    return {.kind = Wanted::Kind::malformed, .reason = reason};
}

inline constexpr Wanted raises_gp{.kind = Wanted::Kind::general_protection};
inline constexpr Wanted refused{.kind = Wanted::Kind::refused};
inline constexpr Wanted done_or_malformed{.kind = Wanted::Kind::done_or_malformed};

} // namespace vestibule::examiner
