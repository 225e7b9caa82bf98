// SPDX-License-Identifier: BSD-2-Clause-Patent
// The launch digest that a verb is about: given as --digest, or computed of an IGVM file or a
// firmware volume for a monitor.
#pragma once

#include "igvm/tool/launch_arguments.h"

#include <string>
#include <vector>

namespace vestibule::igvm {

struct DigestOptions {
    std::string digest;
    LaunchArguments launch;
};

/// The file as positional argument, and all that measure takes of a launch.
void add_digest_options(CLI::App& verb, DigestOptions& options);

/// The monitor that is named, or QEMU, whose users sign.
const VmmProfile& monitor_of(const DigestOptions& options);

/// 48 bytes, of an SNP launch.
std::vector<u8> snp_digest(const DigestOptions& options);

/// A number of bytes in hexadecimal digits or base64; wrong use where it is not just that.
std::vector<u8> bytes_of_option(const std::string& option, const std::string& text, u64 size);

} // namespace vestibule::igvm
