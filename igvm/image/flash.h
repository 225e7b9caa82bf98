// SPDX-License-Identifier: BSD-2-Clause-Patent
// The guest as a flash image (boot/flash/record.h): what an IGVM file would have the monitor load,
// packed into a firmware volume that loads it itself. For monitors that start SEV guests from the
// reset vector, as every QEMU does (-bios, or as pflash).
#pragma once

#include "igvm/image/build.h"

namespace vestibule::igvm {

/// The largest volume: below 4 GiB less that much lie a PC's APICs.
inline constexpr u64 largest_flash = u64{16} << 20;

/// Where a PC has video memory and, up to 1 MiB, shows the end of its firmware: no guest's pages.
inline constexpr boot::MemoryRange not_flash_ram{.base = 0xA'0000, .size = 0x6'0000};

/// Why no flash image can be built with these options, if so, beside what wrong_option() says.
std::optional<std::string> wrong_flash_option(const BuildOptions& options);

/// The volume, or in words why there is none. As build(); contents need `flash_reset`, and options
/// to be right by both functions.
std::expected<BuiltFile, std::string>
build_flash(const StubImage& image, const BuildOptions& options, const GuestContents& contents);

} // namespace vestibule::igvm
