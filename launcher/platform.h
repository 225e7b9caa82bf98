// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which platform a launch is to be for.
#pragma once

#include "igvm/format/reader.h"
#include "kvm/host.h"
#include "launcher/interface.h"

#include <optional>
#include <vector>

namespace vestibule::launcher {

constexpr abi::VmType vm_type_of(igvm::PlatformType platform) {
    return platform == igvm::PlatformType::sev_snp  ? abi::VmType::snp
           : platform == igvm::PlatformType::sev_es ? abi::VmType::sev_es
                                                    : abi::VmType::standard;
}

struct Choice {
    igvm::PlatformType platform;
    std::vector<std::string> passed_over; // stronger ones of the file, and why
};

/// The wanted platform, or the strongest that both file and host have. LaunchError where there is
/// none.
Choice choose_platform(Kernel& kernel, const kvm::Host& host, const igvm::File& file,
                       std::optional<igvm::PlatformType> wanted);

} // namespace vestibule::launcher
