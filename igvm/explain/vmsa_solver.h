// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a VMSA was that nobody can read: a prediction, and something that says of any guess whether
// it is right: a keyed digest, or a secure processor that compares. Words of the prediction are
// varied until one fits: values that a kernel makes of what it was given, and single bits.
#pragma once

#include "x86/vmsa.h"

#include <functional>
#include <optional>
#include <string>
#include <vector>

namespace vestibule::igvm {

struct VmsaWord {
    u64 offset; // of a register, a segment's part or an array's word: context_values()
    u64 value;
};

using VmsaMatch = std::function<bool(const x86::Vmsa&)>;

/// What is asked for: a prediction, what the kernel was handed, what comes out where it is handed
/// nothing, and the word that is at stake.
struct VmsaRiddle {
    x86::Vmsa predicted;
    x86::Vmsa given;
    x86::Vmsa untouched;
    std::optional<u64> focus;
    u64 most_guesses = ~u64{0}; // where each of them costs a launch
};

/// The words at which the VMSA differs from the prediction, two at the most; none where no guess is
/// right, or none of those that may be made. What kernels are known to do is guessed first.
std::optional<std::vector<VmsaWord>> solve_vmsa(const VmsaRiddle& riddle, const VmsaMatch& matches);

/// A word of a VMSA, by its offset as context_values() has it.
u64 word_of(const x86::Vmsa& vmsa, u64 offset);
void set_word(x86::Vmsa& vmsa, u64 offset, u64 value);

} // namespace vestibule::igvm
