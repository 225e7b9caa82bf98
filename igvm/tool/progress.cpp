// SPDX-License-Identifier: BSD-2-Clause-Patent
// See progress.h.
#include "igvm/tool/progress.h"

#include <fmt/format.h>

#include <cstdio>

#include <unistd.h>

namespace vestibule::igvm {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

static bool silent = false;

void Progress::silence() { silent = true; }

Progress::Progress(std::string_view verb, std::string_view unit, u64 all)
    : verb_(verb), unit_(unit), all_(all), terminal_(!silent && isatty(STDERR_FILENO) == 1),
      next_(steady_clock::now() + 1s) {}

Progress::~Progress() {
    if (shown_) {
        std::fputs("\r\033[K", stderr); // the line makes room for the result
    }
}

void Progress::at(u64 done) {
    if (!terminal_ || steady_clock::now() < next_) {
        return;
    }
    const std::string all = all_ != 0 ? fmt::format(" of {}", all_) : "";
    fmt::print(stderr, "\r\033[K{} {}{} {}", verb_, done, all, unit_);
    shown_ = true;
    next_  = steady_clock::now() + 200ms;
}

} // namespace vestibule::igvm
