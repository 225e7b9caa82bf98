// SPDX-License-Identifier: BSD-2-Clause-Patent
// Numbers drawn from a seed: the same on every machine and with every library, since a plan is
// known by its seed and its number alone. SplitMix64 (Steele, Lea and Flood, 2014), a stream a
// plan.
#pragma once

#include "x86/types.h"

#include <iterator>

namespace vestibule::sevsim::attack {

class Random {
  public:
    /// The numbers of `stream`, which nothing drawn from another stream can shift.
    Random(u64 seed, u64 stream) : state_{mixed(mixed(seed + step) ^ stream)} {}

    u64 next() {
        state_ += step;
        return mixed(state_);
    }

    /// From 0 to `count` - 1, which must not be 0; the upper half of a product, so that no range is
    /// favoured by more than one in 2^32.
    u64 below(u64 count) {
        __extension__ using Wide = unsigned __int128;
        return static_cast<u64>((static_cast<Wide>(next()) * count) >> 64);
    }

    bool one_in(u64 count) { return below(count) == 0; }

    /// One of an array or a vector, which must not be empty.
    template <class List>
    const auto& pick(const List& from) {
        return from[below(std::size(from))];
    }

  private:
    static constexpr u64 step = 0x9E37'79B9'7F4A'7C15;

    static constexpr u64 mixed(u64 value) {
        value = (value ^ (value >> 30)) * 0xBF58'476D'1CE4'E5B9;
        value = (value ^ (value >> 27)) * 0x94D0'49BB'1331'11EB;
        return value ^ (value >> 31);
    }

    u64 state_;
};

} // namespace vestibule::sevsim::attack
