// SPDX-License-Identifier: BSD-2-Clause-Patent
// The tables of what monitors do, as a page of documentation: docs/monitors.md is this, and a test
// holds it to it.
#pragma once

#include <string>

namespace vestibule::igvm {

std::string monitors_in_markdown();

} // namespace vestibule::igvm
