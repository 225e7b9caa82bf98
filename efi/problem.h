// SPDX-License-Identifier: BSD-2-Clause-Patent
// Why the application gives up: a kind, which becomes the status that the firmware gets, and words
// for who sits at the console.
#pragma once

#include "efi/text.h"

namespace vestibule::efi {

enum class Trouble : u8 {
    none,
    config,      // the configuration file is not what it should be
    not_found,   // a file, or a protocol of the firmware
    damaged,     // a file is not what it claims to be
    memory,      // too little of it, or not where it is wanted
    unsupported, // a machine or a payload that this is not made for
    device,      // the firmware failed
    no_end,      // boot services do not end: the same, with nobody left to write on the console
    aborted,     // by who sits at the console
};

struct [[nodiscard]] Problem {
    Trouble kind = Trouble::none;
    Words words;

    [[nodiscard]] constexpr bool is_there() const { return kind != Trouble::none; }
};

inline constexpr Problem no_problem{};

/// problem(Trouble::damaged, "found ", 3, " where ...")
template <class... Parts>
constexpr Problem problem(Trouble kind, const Parts&... parts) {
    Problem result{.kind = kind, .words = {}};
    ((void)(result.words << parts), ...);
    return result;
}

} // namespace vestibule::efi
