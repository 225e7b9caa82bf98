// SPDX-License-Identifier: BSD-2-Clause-Patent
// How far work has come, on a terminal and only once it has taken a second.
#pragma once

#include <string_view>

#include "x86/types.h"

#include <chrono>

namespace vestibule::igvm {

class Progress {
  public:
    /// "measured 12 of 34 pages": what is counted is said before and behind.
    Progress(std::string_view verb, std::string_view unit, u64 all = 0);
    Progress(const Progress&)            = delete;
    Progress& operator=(const Progress&) = delete;
    ~Progress();

    void at(u64 done);

    /// From now on nothing is shown (--quiet).
    static void silence();

  private:
    std::string_view verb_;
    std::string_view unit_;
    u64 all_;
    bool terminal_;
    bool shown_ = false;
    std::chrono::steady_clock::time_point next_;
};

} // namespace vestibule::igvm
