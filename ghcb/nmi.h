// SPDX-License-Identifier: BSD-2-Clause-Patent
// NMI complete (exit 0x80000003, GHCB specification, section 4.1): NMIs are no longer masked.
#pragma once

#include "ghcb/call.h"

namespace vestibule::ghcb {

/// False where the page has no room, and nothing was said.
///
/// The next NMI may come within this very call, on return from VMGEXIT, and use the page before we
/// look at it. So this is no holder of the page, what the interrupted code had there is kept before
/// and put back after, and the answer, which says nothing, is not looked at.
template <class Cpu>
[[nodiscard]] bool complete_nmi(Channel& channel) {
    if (!channel.has_room()) {
        return false;
    }
    const bool within = channel.holders != 0;
    const bool keeps  = within && keep_page(channel);
    Exchange<Cpu> exchange{channel};
    (void)exchange.exit(x86::ExitCode::nmi_complete, 0, 0, registers::none);
    if (within) {
        put_page_back(channel, keeps);
    }
    return true;
}

} // namespace vestibule::ghcb
