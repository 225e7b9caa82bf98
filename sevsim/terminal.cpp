// SPDX-License-Identifier: BSD-2-Clause-Patent
// Terminal modes, set and put back.
#include "sevsim/terminal.h"

#include <unistd.h>

namespace vestibule::sevsim {

TerminalForGuest::TerminalForGuest() {
    // A background job that touched the terminal's modes would be stopped by SIGTTOU.
    if (tcgetattr(STDIN_FILENO, &before_) != 0 || tcgetpgrp(STDIN_FILENO) != getpgrp()) {
        return;
    }
    termios modes = before_;
    modes.c_lflag &= ~static_cast<tcflag_t>(ICANON | ECHO | IEXTEN);
    modes.c_iflag &= ~static_cast<tcflag_t>(ICRNL | IXON);
    // Ctrl-Z and Ctrl-\ belong to the guest: the one would stop us and leave it running, the other
    // would end us without the chance to put the modes back.
    modes.c_cc[VSUSP] = _POSIX_VDISABLE;
    modes.c_cc[VQUIT] = _POSIX_VDISABLE;
    ours_             = tcsetattr(STDIN_FILENO, TCSANOW, &modes) == 0;
}

TerminalForGuest::~TerminalForGuest() {
    if (ours_) {
        tcsetattr(STDIN_FILENO, TCSANOW, &before_);
    }
}

} // namespace vestibule::sevsim
