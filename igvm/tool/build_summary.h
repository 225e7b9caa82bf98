// SPDX-License-Identifier: BSD-2-Clause-Patent
// What build and convert say of a file that they have made.
#pragma once

#include "igvm/image/build.h"

#include <string>

namespace vestibule::igvm {

void print_summary(const std::string& out, const BuiltFile& file);

/// Of a flash image each page is loaded and measured, whatever is in it.
void print_flash_summary(const std::string& out, const BuiltFile& file);

} // namespace vestibule::igvm
