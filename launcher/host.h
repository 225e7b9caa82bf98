// What this host can launch, and which platform a launch is to be for.
#pragma once

#include "igvm/reader.h"
#include "launcher/interface.h"

#include <optional>
#include <vector>

namespace vestibule::launcher {

struct Host {
    int kvm;
    u64 vm_types;        // as KVM_CAP_VM_TYPES answers
    std::string release; // of the kernel
};

/// Opens /dev/kvm. LaunchError where that does not work.
Host open_host(Calls& calls);

/// Why the host cannot launch for a platform, in words with what to do; empty where it can, as far
/// as can be told.
std::string obstacle(Kernel& kernel, const Host& host, igvm::PlatformType platform);

struct Choice {
    igvm::PlatformType platform;
    std::vector<std::string> passed_over; // stronger ones of the file, and why
};

/// The wanted platform, or the strongest that both file and host have. LaunchError where there is
/// none.
Choice choose_platform(Kernel& kernel, const Host& host, const igvm::File& file,
                       std::optional<igvm::PlatformType> wanted);

} // namespace vestibule::launcher
