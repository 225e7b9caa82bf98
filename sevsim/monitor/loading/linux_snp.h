// SPDX-License-Identifier: BSD-2-Clause-Patent
// What Linux needs of a launch for SEV-SNP where no firmware stands between
// (Documentation/arch/x86/ amd-memory-encryption.rst and zero-page.rst of Linux): where its secrets
// and its CPUID page are.
#pragma once

#include "sevsim/linux_boot.h"
#include "sevsim/monitor/processor/vcpu.h"

namespace vestibule::sevsim {

/// Launches these pages, names them in the boot parameters, and has the memory map keep them.
void launch_for_linux(Vcpu& vcpu, linux_boot::BootParameters& parameters);

} // namespace vestibule::sevsim
