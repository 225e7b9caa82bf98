// What a person reads when the guest has ended, and the exit status that says the same.
#pragma once

#include "sevsim/process.h"
#include "sevsim/records.h"

#include <string>
#include <string_view>

namespace vestibule::sevsim {

struct RunResult {
    RunRecords records;
    ProcessEnd qemu{Ending::exited, 0};
    std::chrono::milliseconds timeout{};
    bool line_open = false;           ///< the guest's last line of output has no end
    std::vector<std::string> allowed; ///< rules whose breach does not count (--allow)
    /// Of an SEV-SNP guest, in hexadecimal digits.
    std::string launch_digest{}; // NOLINT(readability-redundant-member-init): may go unnamed
};

/// The report: what ran, exits served, violations, and the outcome last.
std::string report(const RunResult& result);

/// The outcome alone, in words: without what a program could not print anywhere.
std::string outcome_line(const RunResult& result);

/// 0 if the guest exited with code 0, powered off or reset the machine, and broke no rule but
/// allowed ones; 1 otherwise.
int exit_status(const RunResult& result);

/// `text` without the control characters with which a guest could write over what we say.
std::string printable(std::string_view text);

} // namespace vestibule::sevsim
