// SPDX-License-Identifier: BSD-2-Clause-Patent
// The VMGEXIT that a run is about, and all behind it (`sevsim run --from`): the N-th, or the first
// of an instruction in a range of addresses. The second one is for guests that wait by looking at a
// timer, of whose VMGEXITs there are more or fewer with each change of what they take.
// Freestanding.
#pragma once

#include "sevsim/code_ranges.h"
#include "x86/types.h"

namespace vestibule::sevsim {

struct From {
    u64 vmgexit = 0; ///< its number, from 1 on; 0: `code` says it
    CodeRange code{};

    constexpr bool is_given() const { return vmgexit != 0 || code.end != 0; }
};

/// Reads "N" or "BEGIN-END"; false where it is neither.
constexpr bool read_from(const char* text, size_t length, From& from) {
    from = {};
    return read_code_range(text, length, from.code)
           || (read_number(text, length, from.vmgexit) && from.vmgexit != 0);
}

} // namespace vestibule::sevsim
