// SPDX-License-Identifier: BSD-2-Clause-Patent
// Files of plans (sevsim/plan.h says what stands in them).
#pragma once

#include "sevsim/plan.h"

#include <expected>
#include <string>
#include <string_view>
#include <vector>

namespace vestibule::sevsim {

/// All plans of a text. An error says the line's number, the line and what is wrong with it: "7:
/// 'nmi': expected @N ...".
std::expected<std::vector<Plan>, std::string> parse_plans(std::string_view text);

/// All plans of the file; at least one. An error names the file too.
std::expected<std::vector<Plan>, std::string> read_plans(const std::string& path);

/// The one plan of the file, in which no line of dashes stands.
std::expected<Plan, std::string> read_plan(const std::string& path);

/// A plan as such files have it, with the line of dashes behind it.
std::string plan_text(const Plan& plan);

} // namespace vestibule::sevsim
