// SPDX-License-Identifier: BSD-2-Clause-Patent
// The terminal while a guest runs in it: keys go to the guest as they are typed, except Ctrl-C.
#pragma once

#include <termios.h>

namespace vestibule::sevsim {

class TerminalForGuest {
  public:
    /// Changes standard input's modes if it is a terminal and ours to read.
    TerminalForGuest();
    ~TerminalForGuest();
    TerminalForGuest(const TerminalForGuest&)            = delete;
    TerminalForGuest& operator=(const TerminalForGuest&) = delete;

    bool ours() const { return ours_; }

  private:
    termios before_{};
    bool ours_ = false;
};

} // namespace vestibule::sevsim
