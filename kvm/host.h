// SPDX-License-Identifier: BSD-2-Clause-Patent
// What this host can launch, as far as can be told without trying.
#pragma once

#include "kvm/calls.h"

namespace vestibule::kvm {

struct Host {
    int kvm;
    u64 vm_types;        // as KVM_CAP_VM_TYPES answers
    std::string release; // of the kernel

    [[nodiscard]] bool makes(abi::VmType type) const {
        return (vm_types >> static_cast<unsigned>(type) & 1) != 0;
    }
};

/// Opens /dev/kvm. Error where that does not work.
Host open_host(Calls& calls);

/// Why the host cannot launch VMs of a type, in words with what to do; empty where it can.
std::string obstacle(Kernel& kernel, const Host& host, abi::VmType type);

} // namespace vestibule::kvm
