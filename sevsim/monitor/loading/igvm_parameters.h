// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the loader tells the guest by an IGVM file's parameters (igvm_defs: IGVM_VHS_PARAMETER_AREA,
// IGVM_VHS_PARAMETER, IGVM_VHS_PARAMETER_INSERT). Nobody measures it.
#pragma once

#include "igvm/format/reader.h"
#include "sevsim/monitor/options.h"

#include <optional>
#include <span>

namespace vestibule::sevsim {

/// An area of the file, by its index; one that parse() has seen declared.
igvm::ParameterArea parameter_area(const igvm::File& file, u32 mask, u32 index);

/// A parameter that cannot be told: its header, and why in words.
struct ParameterFault {
    igvm::Header header;
    const char* why;
};

/// Writes the page at `page`, an offset into the area, as it is when the area is inserted: its
/// initial content and the parameters deposited there.
std::optional<ParameterFault> fill_parameter_page(const igvm::File& file, u32 mask,
                                                  const igvm::ParameterArea& area,
                                                  const Options& options, u64 page,
                                                  std::span<u8> to);

} // namespace vestibule::sevsim
