// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the running kernel will make of a file, before anything is launched: `igvmtool check`'s
// knowledge, and the digest; and behind the launch, whether it came out so.
#pragma once

#include "igvm/measure/igvm_launch.h"
#include "igvm/measure/launch_digest.h"
#include "launcher/launch.h"

namespace vestibule::launcher {

struct Forecast {
    std::vector<std::string> findings; // what is ignored, altered or rejected, a line each
    std::vector<u8> digest;            // empty on a platform that measures nothing
    bool is_rejected = false;          // the kernel will refuse it
    igvm::LaunchOptions options;
};

/// LaunchError where there is no such launch.
Forecast forecast(const igvm::File& file, const Plan& plan, const igvm::VmmProfile& kernel);

/// Whether LAUNCH_MEASURE is that of a digest, by the owner's key (SEV API specification, section
/// 6.5).
bool confirms(const Session& session, const Measured& measured, std::span<const u8> digest);

/// Why the digest is another one, which `matches` knows: what igvmtool explain says, a line each.
std::vector<std::string> explain_digest(const igvm::File& file, const Forecast& forecast,
                                        const std::function<bool(const igvm::Chain&)>& matches);

} // namespace vestibule::launcher
