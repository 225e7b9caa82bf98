// SPDX-License-Identifier: BSD-2-Clause-Patent
// See kernel_profile.h.
#include "igvm/vmm/kernel_profile.h"

#include <algorithm>
#include <cstdio>
#include <utility>

namespace vestibule::igvm {

KernelProfile profile_of_kernel(const std::string& release, bool init2) {
    struct Row {
        bool init2; // which Linux 6.10 has brought, and KVM_CAP_VM_TYPES with it
        unsigned major, minor;
        Vmm vmm;
    };

    constexpr Row rows[] = {
        {true,  7, 2,  Vmm::kvm_7_2 },
        {true,  7, 1,  Vmm::kvm_7_1 },
        {true,  6, 18, Vmm::kvm_6_18},
        {true,  6, 12, Vmm::kvm_6_12},
        {true,  0, 0,  Vmm::kvm_6_11},
        {false, 6, 8,  Vmm::kvm_6_8 },
        {false, 0, 0,  Vmm::kvm_6_1 },
    };
    unsigned major = 0;
    unsigned minor = 0;
    // Zeros where it is no version, and so the oldest of its kind.
    static_cast<void>(
        std::sscanf(release.c_str(), "%4u.%4u", &major, &minor)); // NOLINT(cert-err34-c)
    const auto* row = std::ranges::find_if(rows, [&](const Row& own) {
        return own.init2 == init2 && std::pair(major, minor) >= std::pair(own.major, own.minor);
    });
    constexpr std::pair newest(7u, 2u);
    return {.profile = profile_of(row->vmm), .verified = std::pair(major, minor) <= newest};
}

std::optional<KernelProfile> kernel_named(const std::string& name) {
    if (const VmmProfile* own = find_profile(name); own != nullptr && name.starts_with("kvm-")) {
        return KernelProfile{.profile = *own, .verified = true};
    }
    unsigned major = 0;
    unsigned minor = 0;
    if (std::sscanf(name.c_str(), "%4u.%4u", &major, &minor) != 2) { // NOLINT(cert-err34-c)
        return std::nullopt;
    }
    // KVM_SEV_INIT2 came with Linux 6.10.
    return profile_of_kernel(name, std::pair(major, minor) >= std::pair(6u, 10u));
}

} // namespace vestibule::igvm
