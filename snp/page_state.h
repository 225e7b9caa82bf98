// SPDX-License-Identifier: BSD-2-Clause-Patent
// Page state changes: the hypervisor is asked to assign pages to the guest, or to have them (GHCB
// specification, section 2.3.1, MSR protocol 0x014; section 4, exit 0x80000010).
//
// Private to shared: PVALIDATE takes the page back, the change is asked for, the mapping loses its
// C-bit. Shared to private: the mapping gets it, the change is asked for, PVALIDATE, and whoever
// uses the page fills it. Between the two no byte of it may be touched (#VC 0x404).
//
// SECURITY: an answer proves nothing of the page; PVALIDATE does. It is checked all the same: a
// guest that takes part of a list for all of it goes on to touch pages that are not there.
#pragma once

#include "ghcb/call.h"
#include "ghcb/msr_protocol.h"
#include "snp/pvalidate.h"

namespace vestibule::snp {

enum class PageOperation : u8 { make_private = 1, make_shared = 2 };

/// One page of 4 KiB by the MSR protocol, which needs no GHCB page. The MSR holds the answer
/// afterwards.
template <class Cpu>
ghcb::Outcome change_page_by_msr(u64 gpa, PageOperation operation) {
    namespace msr_protocol = ghcb::msr_protocol;
    const u64 answer       = msr_protocol::exchange<Cpu>(gpa | static_cast<u64>(operation) << 52
                                                         | msr_protocol::page_state_request);
    // An error in [63:32], and nothing between it and the response code.
    return answer == msr_protocol::page_state_response
               ? ghcb::Outcome::done()
               : ghcb::Outcome::terminate(ghcb::reason::snp_page_state);
}

/// An entry of the list.
struct PageStateEntry {
    u64 value;

    static constexpr u64 done_mask = 0xFFF; // 4 KiB pages that are done of it

    static constexpr PageStateEntry of(u64 gpa, PageOperation operation, RmpPageSize size) {
        return {gpa | static_cast<u64>(operation) << 52 | static_cast<u64>(size) << 56};
    }

    constexpr u64 done() const { return value & done_mask; }
};

/// How far the hypervisor says it is with a list; the header that stands before the entries.
struct PageStateHeader {
    u16 current; // the entry to go on with
    u16 last;    // inclusive
    u32 reserved;

    static constexpr PageStateHeader decode(u64 word) {
        return {.current  = static_cast<u16>(word),
                .last     = static_cast<u16>(word >> 16),
                .reserved = high_half(word)};
    }

    constexpr u64 encode() const { return from_halves(reserved, u32{last} << 16 | current); }
};

inline constexpr unsigned most_page_state_entries =
    (sizeof(ghcb::Page::shared_buffer) - sizeof(u64)) / sizeof(PageStateEntry);
static_assert(most_page_state_entries == 253);

/// Asks for what the first `count` entries in the shared buffer say, until all of it is done. A
/// hypervisor may break off at any place, and is then asked to go on; each time it must have come
/// further, so that it cannot keep the guest here for ever.
template <class Cpu>
ghcb::Outcome change_listed_pages(ghcb::Exchange<Cpu>& call, unsigned count) {
    const ghcb::Outcome failed = ghcb::Outcome::terminate(ghcb::reason::snp_page_state);
    auto* const words          = reinterpret_cast<volatile u64*>(call.buffer());
    const auto last            = static_cast<u16>(count - 1);
    u16 current                = 0;
    u64 done                   = 0; // pages of that entry
    for (;;) {
        words[0] = PageStateHeader{.current = current, .last = last, .reserved = 0}.encode();
        const ghcb::Outcome outcome = call.exit_with_buffer(x86::ExitCode::page_state_change, 0, 0);
        if (!outcome.is_done()) {
            return outcome;
        }
        u64 error = 0;
        // SECURITY: each word is read once; the hypervisor can write them at any moment.
        const auto answer = PageStateHeader::decode(words[0]);
        if (!call.answered_exitinfo2(error) || error != 0 || answer.last != last
            || answer.reserved != 0 || answer.current < current) {
            return failed;
        }
        if (answer.current > last) {
            return answer.current == last + 1 ? outcome : failed;
        }
        const u64 now = PageStateEntry{words[1 + answer.current]}.done();
        if (answer.current == current && now <= done) {
            return failed;
        }
        current = answer.current;
        done    = now;
    }
}

/// A list that is sent when there is no room for one more entry, and by send(). It holds the GHCB
/// page as long as it is there.
template <class Cpu>
class PageStateList {
  public:
    explicit PageStateList(ghcb::Channel& channel) : call{channel} {}

    ghcb::Outcome add(PageStateEntry entry) {
        if (count == most_page_state_entries) {
            const ghcb::Outcome outcome = send();
            if (!outcome.is_done()) {
                return outcome;
            }
        }
        ++count;
        reinterpret_cast<volatile u64*>(call.buffer())[count] = entry.value;
        return ghcb::Outcome::done();
    }

    /// What is in the list so far, if there is anything.
    ghcb::Outcome send() {
        const unsigned entries = count;
        count                  = 0;
        return entries == 0 ? ghcb::Outcome::done() : change_listed_pages(call, entries);
    }

  private:
    ghcb::Call<Cpu> call;
    unsigned count = 0;
};

/// Changes `pages` pages of one size from `gpa` on.
template <class Cpu>
ghcb::Outcome change_pages(ghcb::Channel& channel, u64 gpa, u64 pages, RmpPageSize size,
                           PageOperation operation) {
    PageStateList<Cpu> list{channel};
    for (; pages != 0; --pages, gpa += bytes_of(size)) {
        const ghcb::Outcome outcome = list.add(PageStateEntry::of(gpa, operation, size));
        if (!outcome.is_done()) {
            return outcome;
        }
    }
    return list.send();
}

} // namespace vestibule::snp
