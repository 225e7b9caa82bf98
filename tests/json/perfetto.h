// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a viewer expects of Chrome's trace events beyond their members: slices that nest on each
// track, time that does not go back, counters that count what is there.
#pragma once

#include "tests/json/schema.h"

namespace vestibule::json {

/// What is wrong with such a trace; nothing where all is well.
std::optional<std::string> perfetto_fault(const Json& trace);

} // namespace vestibule::json
