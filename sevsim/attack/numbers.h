// SPDX-License-Identifier: BSD-2-Clause-Patent
// Times and shards as the command line of `sevsim attack` has them.
#pragma once

#include "x86/types.h"

#include <chrono>
#include <optional>
#include <string_view>
#include <utility>

namespace vestibule::sevsim::attack {

/// Milliseconds of "90", "90s", "2m" or "1h"; nothing where it is none of them, or zero.
std::optional<std::chrono::milliseconds> time_of(std::string_view text);

/// I and N of "I/N", I from 1 to N; nothing where it is not.
std::optional<std::pair<u64, u64>> shard_of(std::string_view text);

} // namespace vestibule::sevsim::attack
