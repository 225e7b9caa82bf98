// SPDX-License-Identifier: BSD-2-Clause-Patent
// Page state change by the GHCB page: the list in the shared buffer (GHCB specification, exit
// 0x80000010).
#pragma once

#include "examiner/conversation.h"

namespace vestibule::examiner {

namespace page_operation {
inline constexpr u64 assign_private = 1;
inline constexpr u64 assign_shared  = 2;
inline constexpr u64 smash          = 3;
inline constexpr u64 unsmash        = 4;
} // namespace page_operation

inline constexpr u64 most_entries = (buffer_size - sizeof(u64)) / sizeof(u64);

/// SW_EXITINFO2 of what could not be done.
inline constexpr u64 invalid_header = 0x1'0000'0001;
inline constexpr u64 invalid_entry  = 0x1'0000'0002;

constexpr u64 list_entry(u64 gpa, u64 operation, bool is_large = false) {
    return gpa | operation << 52 | (is_large ? bit(56) : 0);
}

constexpr u64 list_header(u16 current, u16 last, u32 reserved = 0) {
    return u64{reserved} << 32 | u64{last} << 16 | current;
}

constexpr u16 current_of(u64 header) { return static_cast<u16>(header); }

constexpr u16 last_of(u64 header) { return static_cast<u16>(header >> 16); }

inline u64 header() { return buffer_word(0); }

inline u64 entry(u64 number) { return buffer_word((number + 1) * sizeof(u64)); }

inline void set_header(u64 value) { set_buffer_word(0, value); }

inline void set_entry(u64 number, u64 value) { set_buffer_word((number + 1) * sizeof(u64), value); }

inline constexpr Call change_list = call_of(ExitCode::page_state_change).with_scratch();

/// How a list went: over as many calls as the hypervisor wants, to a bound.
struct ListOutcome {
    Verdict verdict;
    unsigned calls;
};

/// Calls until all entries are done, and watches the header: it never goes back, its end stays, its
/// reserved bits stay zero.
ListOutcome change_whole_list(u16 last);

} // namespace vestibule::examiner
