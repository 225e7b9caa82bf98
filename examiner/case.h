// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the examiner asks a hypervisor: cases, each with the section of the GHCB specification
// (56421) that it follows, and how far that binds. Cases are rows of tables, so that the same rows
// are asked by the guest, printed for docs/examiner.md and held against a played hypervisor in host
// tests.
#pragma once

#include "examiner/call.h"
#include "x86/types.h"

namespace vestibule::examiner {

/// How far the specification binds: `should` and `may` that do not hold are told, and fail nothing.
enum class Level : u8 { must, should, may };

constexpr const char* name_of(Level level) {
    constexpr const char* names[] = {"must", "should", "may"};
    return names[static_cast<unsigned>(level)];
}

/// What a case takes for granted; without it the case is skipped, and its platform missing it is
/// not in the plan at all.
namespace need {
inline constexpr u16 nothing     = 0;
inline constexpr u16 sev_es      = 1u << 0; // of SEV-ES guests that are not SEV-SNP's
inline constexpr u16 snp         = 1u << 1;
inline constexpr u16 version_2   = 1u << 2; // negotiated
inline constexpr u16 second_vcpu = 1u << 3; // one that waits in the stub's mailbox
inline constexpr u16 vmpl0       = 1u << 4;
inline constexpr u16 secrets     = 1u << 5; // the secrets page, for messages
inline constexpr u16 own_boot    = 1u << 6; // ends the guest where all is well: `end=` names it
inline constexpr u16 risky       = 1u << 7; // known hosts end the guest: behind all others
inline constexpr u16 last        = 1u << 8; // looks back at all of them
} // namespace need

/// How a case came out.
struct Verdict {
    enum class Kind : u8 { passed, failed, skipped };

    Kind kind        = Kind::passed;
    const char* what = nullptr; ///< of a failure: which value; of a skipped one: why
    u64 seen         = 0;
    u64 wanted       = 0;

    constexpr bool is_failure() const { return kind == Kind::failed; }

    static constexpr Verdict passed() { return {}; }

    static constexpr Verdict skipped(const char* why) { return {Kind::skipped, why}; }

    static constexpr Verdict failed(const char* what, u64 seen, u64 wanted) {
        return {Kind::failed, what, seen, wanted};
    }
};

/// Equality of what was seen and what is demanded.
constexpr Verdict equal(const char* what, u64 seen, u64 wanted) {
    return seen == wanted ? Verdict::passed() : Verdict::failed(what, seen, wanted);
}

/// That something holds: 1 is wanted.
constexpr Verdict holds(const char* what, bool it_does) { return equal(what, it_does ? 1 : 0, 1); }

/// The first that has not passed.
template <class... Verdicts>
constexpr Verdict first_of(Verdict first, Verdicts... others) {
    if constexpr (sizeof...(others) == 0) {
        return first;
    } else {
        return first.kind != Verdict::Kind::passed ? first : first_of(others...);
    }
}

/// What every case says of itself. The id is its name for ever: expectations, tests and reports go
/// by it, the number in TAP is only its place.
struct Case {
    const char* id;
    const char* section;
    const char* demand; ///< what holds, in words
    Level level;
    u16 needs = need::nothing;
};

/// A call through the GHCB page, and what its answer must be.
struct CallCase {
    Case about;
    Call call;
    Wanted wanted;
};

/// A request of the MSR protocol: the answer under the mask.
struct MsrCase {
    Case about;
    u64 request;
    u64 mask;
    u64 wanted;
};

/// Whatever takes more than one question.
struct CodeCase {
    Case about;
    Verdict (*run)();
};

/// Cases of one idea: a file.
struct Group {
    const char* title;
    const MsrCase* msr_cases;
    size_t msr_count;
    const CallCase* call_cases;
    size_t call_count;
    const CodeCase* code_cases;
    size_t code_count;

    /// Calls `visit(const Case&, ask)` for each case in its order; `ask()` runs it.
    template <class Visit>
    void for_each(Visit visit) const;
};

/// Asks, in conversation.cpp.
Verdict run(const MsrCase& row);
Verdict run(const CallCase& row);

inline Verdict run(const CodeCase& row) { return row.run(); }

template <class Visit>
void Group::for_each(Visit visit) const {
    for (size_t n = 0; n < msr_count; ++n) {
        visit(msr_cases[n].about, [&] { return run(msr_cases[n]); });
    }
    for (size_t n = 0; n < call_count; ++n) {
        visit(call_cases[n].about, [&] { return run(call_cases[n]); });
    }
    for (size_t n = 0; n < code_count; ++n) {
        visit(code_cases[n].about, [&] { return run(code_cases[n]); });
    }
}

} // namespace vestibule::examiner
