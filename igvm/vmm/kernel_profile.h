// SPDX-License-Identifier: BSD-2-Clause-Patent
// Which of the known kernels one is nearest to.
#pragma once

#include "igvm/vmm/profiles.h"

#include <optional>
#include <string>

namespace vestibule::igvm {

struct KernelProfile {
    const VmmProfile& profile;
    bool verified; // false for a release that nobody has read yet

    /// "kvm-7.2", "kvm-7.2, not verified"
    [[nodiscard]] std::string words() const {
        return std::string(profile.name) + (verified ? "" : ", not verified: it is newer");
    }
};

/// By its release, "6.12.38+deb" is kvm-6.12, and whether it has KVM_SEV_INIT2.
KernelProfile profile_of_kernel(const std::string& release, bool init2);

/// The same by a release alone, or by a profile's own name; none where it is neither.
std::optional<KernelProfile> kernel_named(const std::string& name);

} // namespace vestibule::igvm
