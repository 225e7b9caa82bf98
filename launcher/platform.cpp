// SPDX-License-Identifier: BSD-2-Clause-Patent
// See platform.h.
#include "launcher/platform.h"

#include "igvm/show/describe.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace vestibule::launcher {

using igvm::PlatformType;

Choice choose_platform(Kernel& kernel, const kvm::Host& host, const igvm::File& file,
                       std::optional<PlatformType> wanted) {
    Choice choice{.platform = PlatformType::native, .passed_over = {}};
    for (const PlatformType platform :
         {PlatformType::sev_snp, PlatformType::sev_es, PlatformType::native}) {
        if ((wanted && platform != *wanted) || file.mask_of(platform) == 0) {
            continue;
        }
        const std::string why = kvm::obstacle(kernel, host, vm_type_of(platform));
        if (why.empty()) {
            choice.platform = platform;
            return choice;
        }
        choice.passed_over.push_back(fmt::format("{}: {}", igvm::name_of(platform), why));
    }
    if (choice.passed_over.empty()) {
        throw LaunchError(
            fmt::format("found {}, expected {} among the file's platforms",
                        igvm::names_of(file, igvm::all_platforms),
                        wanted ? igvm::name_of(*wanted) : "native, sev-es or sev-snp"));
    }
    throw LaunchError(fmt::format("{}", fmt::join(choice.passed_over, "; ")));
}

} // namespace vestibule::launcher
