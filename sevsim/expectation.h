// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a run is expected to come to (--expect), so that runs which must end badly can be told from
// those that should not have: the exit status is 0 when all of it has happened.
#pragma once

#include "sevsim/report.h"

#include <expected>
#include <regex>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::sevsim {

struct Expectation {
    enum class Kind : u8 { termination, exit, end, violation, output };

    std::string text; ///< as it was said
    Kind kind = Kind::end;
    ReasonCodes reason{};                     ///< of `termination`
    u64 value       = 0;                      ///< of `exit`
    OutcomeKind end = OutcomeKind::power_off; ///< of `end`
    std::string rule;                         ///< of `violation`
    std::regex pattern;                       ///< of `output`: a line that it is found in
};

/// "termination=0x2:0x30", "exit=3", "poweroff", "violation=RULE", "output=REGEX" and so on; an
/// error says what was expected.
std::expected<Expectation, std::string> expectation_of(const std::string& text);

/// For --help, a line a form.
std::string expectation_forms();

bool has_happened(const Expectation& expectation, const RunResult& result);

/// 0 where all of them have happened, and the guest has broken no rule but those that are expected
/// or allowed; without any, report.h's exit_status().
int exit_status(const RunResult& result, const std::vector<Expectation>& expectations);

} // namespace vestibule::sevsim
