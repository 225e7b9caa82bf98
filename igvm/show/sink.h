// SPDX-License-Identifier: BSD-2-Clause-Patent
// Where a listing goes, piece by piece: a listing may be many times as long as its file, and so is
// not put together in memory.
#pragma once

#include <functional>
#include <string_view>

namespace vestibule::igvm {

using Sink = std::function<void(std::string_view)>;

} // namespace vestibule::igvm
