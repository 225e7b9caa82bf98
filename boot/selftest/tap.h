// SPDX-License-Identifier: BSD-2-Clause-Patent
// The report: Test Anything Protocol, version 14.
#pragma once

#include "x86/types.h"

namespace vestibule::selftest {

/// What was seen where something else was wanted.
struct Difference {
    const char* what = nullptr; // nullptr: no difference
    u64 seen         = 0;
    u64 wanted       = 0;

    constexpr bool found() const { return what != nullptr; }
};

class Tap {
  public:
    explicit Tap(unsigned planned);

    void result(const char* name, const Difference& difference);
    void skip(const char* name, const char* reason);

    /// True where every case was reported and none failed.
    bool all_ok() const { return failed == 0 && reported == planned; }

  private:
    void begin_line(bool ok, const char* name);

    unsigned planned;
    unsigned reported = 0;
    unsigned failed   = 0;
};

} // namespace vestibule::selftest
