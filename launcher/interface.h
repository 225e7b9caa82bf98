// SPDX-License-Identifier: BSD-2-Clause-Patent
// What the launcher says of the KVM interface in short.
#pragma once

#include "kvm/calls.h"

#include <expected>

namespace vestibule::launcher {

namespace abi = kvm::abi;
using kvm::address_of;
using kvm::Calls;
using kvm::FirmwareError;
using kvm::Kernel;

/// The launch cannot go on; the message is for the user.
using LaunchError = kvm::Error;

/// The value; LaunchError with the error where there is none.
template <class T>
T value_of(std::expected<T, std::string> result) {
    if (!result) {
        throw LaunchError(result.error());
    }
    return std::move(*result);
}

} // namespace vestibule::launcher
