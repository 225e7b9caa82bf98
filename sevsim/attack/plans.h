// SPDX-License-Identifier: BSD-2-Clause-Patent
// A plan (sevsim/plan.h) as campaigns handle it: a list that is drawn, changed and made small.
#pragma once

#include "sevsim/plan.h"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::sevsim::attack {

using Lies = std::vector<Hostility>;

/// Its lies as `--hostile` takes them.
std::vector<std::string> words_of(const Lies& plan);

/// A line a lie.
std::string text_of(const Lies& plan);

/// The first plan of a text as files have it (sevsim/plan_file.h). An error names the line.
std::expected<Lies, std::string> lies_of(std::string_view text);

/// Their names in the order of the table of lies, each once: "event nmi".
std::string kinds_of(const Lies& plan);

} // namespace vestibule::sevsim::attack
