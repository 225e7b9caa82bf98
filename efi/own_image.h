// SPDX-License-Identifier: BSD-2-Clause-Patent
// The application as the stub of a unified kernel image: a program of its own like ukify or objcopy
// has put a kernel, its initrd and its command line into sections of the application's file, and
// the firmware has loaded them with it.
#pragma once

#include "kernel/uki.h"

namespace vestibule::efi {

/// The application's own PE image in memory, none where firmware does not say where it is.
kernel::Bytes own_image();

/// Whether it carries a kernel, so that there is nothing to be read from a volume.
bool carries_kernel(kernel::Bytes image);

} // namespace vestibule::efi
