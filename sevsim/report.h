// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a person reads when the guest has ended, and the exit status that says the same.
#pragma once

#include "sevsim/process.h"
#include "sevsim/records.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace vestibule::sevsim {

/// Stands for every rule (--allow).
inline constexpr std::string_view all_rules = "all";

struct RunResult {
    RunRecords records;
    ProcessEnd qemu{Ending::exited, 0};
    std::chrono::milliseconds timeout{};
    bool line_open = false;           ///< the guest's last line of output has no end
    std::vector<std::string> allowed; ///< rules whose breach does not count (--allow)
    /// What the guest has printed, as far as somebody wants to read it.
    std::string output{}; // NOLINT(readability-redundant-member-init): likewise
    /// What could not be written, in words: the run has failed.
    std::vector<std::string> unwritten{}; // NOLINT(readability-redundant-member-init): likewise
    /// The guest's file.
    std::string guest{}; // NOLINT(readability-redundant-member-init): likewise
    /// What the hypervisor was to do to the guest (--hostile, --plan); empty: nothing.
    std::string hostility{}; // NOLINT(readability-redundant-member-init): likewise
    /// Of an SEV-SNP guest, in hexadecimal digits.
    std::string launch_digest{}; // NOLINT(readability-redundant-member-init): may go unnamed
};

/// The report: what ran, exits served, violations, and the outcome last.
std::string report(const RunResult& result);

/// Which end it was: an OutcomeKind's name ("power-off"), or of a run without an outcome "timeout",
/// "interrupted", "unread", "qemu-killed" or "qemu-exited".
std::string_view end_name(const RunResult& result);

/// The outcome alone, in words: without what a program could not print anywhere.
std::string outcome_line(const RunResult& result);

/// 0 if the guest exited with code 0, powered off or reset the machine, and broke no rule but
/// allowed ones; 128 and the signal's number where one has ended the run, as a shell has it; 1
/// otherwise.
int exit_status(const RunResult& result);

/// Whether the guest has ended by its own choice and with code 0.
bool ends_well(const RunResult& result);

/// Whether breaking this rule does not count.
bool is_allowed(const RunResult& result, const Violation& violation);

/// Each line of a text, without what ends it.
template <class Take>
void for_each_line(std::string_view text, Take take) {
    for (std::size_t at = 0; at < text.size();) {
        const std::size_t end = std::min(text.find('\n', at), text.size());
        std::string_view line = text.substr(at, end - at);
        if (line.ends_with('\r')) {
            line.remove_suffix(1);
        }
        take(line);
        at = end + 1;
    }
}

/// `text` without the control characters with which a guest could write over what we say.
std::string printable(std::string_view text);

} // namespace vestibule::sevsim
