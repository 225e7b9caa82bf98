// What the launcher says of the KVM interface in short.
#pragma once

#include "kvm/calls.h"

namespace vestibule::launcher {

namespace abi = kvm::abi;
using kvm::Calls;
using kvm::FirmwareError;
using kvm::Kernel;

/// The launch cannot go on; the message is for the user.
using LaunchError = kvm::Error;

} // namespace vestibule::launcher
