// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a run under attack has come to, beside an honest run of the same guest: not whether it
// crashed, but whether it went on with something wrong.
#pragma once

#include "sevsim/attack/ended.h"
#include "sevsim/attack/places.h"
#include "sevsim/attack/plans.h"

#include <optional>
#include <regex>
#include <string>

namespace vestibule::sevsim::attack {

enum class Verdict : u8 {
    right_result,    ///< the honest run's output and end
    right_exception, ///< the guest's own handlers of exceptions have ended it
    coded_end,       ///< a termination with a code that somebody can look up
    own_data,        ///< other output, where what was falsified is the hypervisor's to say
    other_end,       ///< of a foreign guest: panic, halt, hang: denial of service
    uncoded_end,     ///< of a guest of ours: triple fault, hang, a state that VMRUN refuses
    broken_rule,     ///< of the protocol, which the guest keeps when nobody lies to it
    wrong_result,    ///< it ends as if all were well, and has said something else, or was told
                     ///< what it cannot have looked at
    leak,            ///< it shows the hypervisor what no event needs, or what a forged one asks for
    control_flow,    ///< it ran where none of its code is
    failed,          ///< sevsim did, which is no guest's fault
};

inline constexpr unsigned verdict_count = 11;

/// "right result", as reports have it.
const char* name_of(Verdict verdict);

/// The verdict called so, or nothing.
std::optional<Verdict> verdict_of(std::string_view name);

/// Whether a campaign reports it with a plan to replay it.
bool is_finding(Verdict verdict);

/// Whose guest it is, and which of its lines have to be the honest run's.
struct Oracle {
    bool ours = true;                   ///< it promises {right result, right exception, coded end}
    std::optional<std::regex> compared; ///< only lines in which this is found; none: all
    std::optional<std::regex> ignored;  ///< and not those in which this is
};

struct Judgement {
    Verdict verdict = Verdict::failed;
    /// Of a finding: what went wrong where, so that findings of one cause have the same.
    std::string cause;
    std::string why; ///< in words
};

/// What the honest run was, and the attacked one. `seen` is of the latter's trace.
Judgement judge(const Ended& honest, const Places& places, const Ended& run, const Places& seen,
                const Lies& plan, const Oracle& oracle);

/// The lines of a guest's output that are compared.
std::vector<std::string> compared_lines(std::string_view output, const Oracle& oracle);

} // namespace vestibule::sevsim::attack
