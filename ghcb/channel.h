// SPDX-License-Identifier: BSD-2-Clause-Patent
// A vCPU's GHCB page and who holds it. A #VC inside another one, raised by the handler of an NMI,
// finds the page in the middle of a call: it then keeps the page's contents aside and puts them
// back (GHCB specification, section 4.1, leaves nesting to the guest). One such level is all: NMIs
// are masked until the guest says that it has handled one, so another can only be a hypervisor's
// making.
#pragma once

#include "ghcb/page.h"
#include "x86/types.h"

namespace vestibule::ghcb {

/// What the words below say is looked at by NMIs at any moment, hence volatile: the compiler
/// changes them in step with the page.
struct Channel {
    Page* page   = nullptr; // mapped shared
    u64 gpa      = 0;       // where the hypervisor finds it
    Page* backup = nullptr; // private memory; without it nothing nests
    u16 version  = 0;       // of the protocol, as negotiated

    volatile u8 holders   = 0;     // calls whose page it is: one, and one within it
    volatile bool is_kept = false; // the backup has what the outer one had in the page

    /// In the place of how many: the guest ends, and the page is nobody's any more.
    static constexpr u8 over = 0xFF;

    /// Whether one more call may use the page.
    bool has_room() const { return holders == 0 || (holders == 1 && backup != nullptr); }
};

/// Word by word: the compiler would make a call of it to a memcpy that nobody has here.
inline void copy_page(Page& to, const Page& from) {
    auto* target       = reinterpret_cast<volatile u64*>(&to);
    const auto* source = reinterpret_cast<const volatile u64*>(&from);
    for (u64 n = 0; n < page_size / sizeof(u64); ++n) {
        target[n] = source[n];
    }
}

/// Lays aside what somebody else has in the page; true where it is for the caller to say, when it
/// puts the contents back, that they are kept no more.
///
/// An NMI may come between any two steps once the hypervisor was told that the last one is handled.
/// Its own calls see that the page is kept, so they keep nothing and put the same contents back as
/// the interrupted ones: copying back half a page, being interrupted and copying on is harmless.
[[gnu::noinline]] inline bool keep_page(Channel& channel) {
    if (channel.is_kept) {
        return false;
    }
    copy_page(*channel.backup, *channel.page);
    channel.is_kept = true;
    return true;
}

[[gnu::noinline]] inline void put_page_back(Channel& channel, bool kept_here) {
    copy_page(*channel.page, *channel.backup);
    if (kept_here) {
        channel.is_kept = false;
    }
}

} // namespace vestibule::ghcb
