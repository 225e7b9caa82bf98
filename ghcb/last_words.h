// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a guest of this project leaves in its GHCB page before it asks to be ended: where and at
// what it gave up. A termination request has room for a reason and no more (GHCB specification,
// section 2.3.1). It stands at the beginning of the shared buffer, and whoever serves the request
// may show it; nobody has to. The RIP of a guest that is over is all that the hypervisor learns by
// it.
#pragma once

#include "ghcb/channel.h"
#include "ghcb/termination.h"

namespace vestibule::ghcb {

struct LastWords {
    static constexpr u64 magic_value = 0x5453'414C'5453'4556; // "VESTLAST"

    u64 magic;
    u64 reason;     // set in bits 11:8, code in bits 7:0: that of the request
    u64 rip;        // of the interrupted code
    u64 error_code; // as the exception pushed it: at #VC the exit code
    u64 address;    // of the access that it is about; 0: of none
};

static_assert(sizeof(LastWords) == 40);

/// Does nothing before the page is open, and nothing the second time.
///
/// SECURITY: a hypervisor can take the page away, so that each access raises #VC. What serves that
/// one finds no room for a call and comes here again, to the end of the guest and not to the page.
[[gnu::noinline, clang::minsize]] inline void
leave_last_words(Channel& channel, Reason reason, u64 rip, u64 error_code, u64 address) {
    if (channel.page == nullptr || channel.holders == Channel::over) {
        return;
    }
    channel.holders  = Channel::over;
    auto& words      = *reinterpret_cast<volatile LastWords*>(&channel.page->shared_buffer);
    words.magic      = LastWords::magic_value;
    words.reason     = u64{reason.set} << 8 | reason.code;
    words.rip        = rip;
    words.error_code = error_code;
    words.address    = address;
}

} // namespace vestibule::ghcb
