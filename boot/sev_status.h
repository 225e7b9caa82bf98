// SEV_STATUS held against what the image was made for.
#pragma once

#include "boot/boot_info.h"
#include "ghcb/termination.h"
#include "x86/sev.h"

namespace vestibule::boot {

struct StatusVerdict {
    bool right;
    ghcb::Reason reason; // to end the guest with where it is not
};

/// SECURITY: an image that was measured for SEV-ES must not run on as if on a native machine, where
/// it would keep its secrets in shared memory. So `platform` is what was measured, not what is
/// seen.
constexpr StatusVerdict judge_status(x86::SevStatus status, Platform platform) {
    using x86::SevStatus;
    namespace reason         = ghcb::reason;
    constexpr u64 sev_and_es = SevStatus::sev | SevStatus::sev_es;
    if (platform == Platform::native) {
        return {!status.has(SevStatus::sev), reason::sev_unexpected};
    }
    if (!status.has(sev_and_es)) {
        return {false, reason::sev_es_expected};
    }
    return {status.beyond(sev_and_es | SevStatus::transparent) == 0, reason::feature_unsupported};
}

} // namespace vestibule::boot
