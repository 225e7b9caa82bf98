// SPDX-License-Identifier: BSD-2-Clause-Patent
// The launch digest of a guest: what the secure processor has measured when it is loaded. That of
// an IGVM file or of firmware is the one of `igvmtool measure`; a kernel is loaded as nobody else
// loads one, so its digest is that of kernel, command line and initrd, each in whole pages.
#pragma once

#include "igvm/measure/launch.h"
#include "sevsim/guest_file.h"
#include "sevsim/options.h"

#include <expected>
#include <string>
#include <vector>

namespace vestibule::sevsim {

/// The table of hashes of the kernel that firmware boots directly.
std::expected<std::vector<u8>, std::string> direct_boot_hashes(const RunOptions& options);

/// The platform as the IGVM format names it. Not of a native guest, which nothing measures.
igvm::PlatformType measured_platform(const RunOptions& options);

/// The digest; an error says why the monitor that is played would not launch it.
std::expected<std::vector<u8>, std::string> measured_launch(const RunOptions& options,
                                                            const std::vector<OpenedFile>& files);

/// The part of firmware's file that is launched: a volume of variables below it is flash.
std::string launched_firmware(const RunOptions& options, const std::string& content);

} // namespace vestibule::sevsim
