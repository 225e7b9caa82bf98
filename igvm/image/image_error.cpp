// SPDX-License-Identifier: BSD-2-Clause-Patent
// See image_error.h.
#include "igvm/image/image_error.h"

#include <fmt/format.h>

namespace vestibule::igvm {

std::string describe(const ImageError& error) {
    const std::string section =
        error.section.empty() ? "" : fmt::format(" (section {})", error.section);
    return fmt::format("offset {:#x}{}: found {:#x}, expected {}", error.offset, section,
                       error.found, error.expected);
}

} // namespace vestibule::igvm
