// SPDX-License-Identifier: BSD-2-Clause-Patent
// The report: Test Anything Protocol, version 14, and behind it one line of JSON in a comment.
#pragma once

#include "examiner/case.h"
#include "examiner/hosts.h"

namespace vestibule::examiner {

class Report {
  public:
    explicit Report(unsigned planned);

    /// A case as it came out. `known` is what its host is known for, or nullptr.
    void result(const Case& about, const Verdict& verdict, const Deviation* known);

    /// That the case comes now, which may end the guest.
    void announce(const Case& about);

    /// The line of JSON.
    void summary(const char* platform, unsigned protocol_version) const;

    /// No `must` failed that is not known, and every case was reported.
    bool passed() const { return failed_ == 0 && reported_ == planned_; }

  private:
    void begin_line(const Case& about, bool ok);

    static constexpr unsigned most_failures = 64; // whose ids the JSON has

    unsigned planned_;
    unsigned reported_  = 0;
    unsigned passed_    = 0;
    unsigned failed_    = 0;
    unsigned known_     = 0;
    unsigned deviating_ = 0; // should and may
    unsigned skipped_   = 0;
    const char* failures_[most_failures]{};
};

} // namespace vestibule::examiner
