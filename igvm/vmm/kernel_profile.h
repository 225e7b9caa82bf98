// Which of the known kernels one is nearest to.
#pragma once

#include "igvm/vmm/profiles.h"

#include <string>

namespace vestibule::igvm {

/// By its release, "6.12.38+deb" is kvm-6.12, and whether it has KVM_SEV_INIT2.
const VmmProfile& profile_of_kernel(const std::string& release, bool init2);

} // namespace vestibule::igvm
