// SPDX-License-Identifier: BSD-2-Clause-Patent
// Puts the guest into the machine: its pages, and the first state of its vCPUs.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

#include <span>

namespace vestibule::sevsim {

struct MultibootInformation;

/// What the host command hands over, already out of low memory.
struct GuestFiles {
    std::span<u8> guest;
    // Of a kernel:
    std::span<const u8> command_line; // with its zero
    std::span<const u8> initrd;
    // Of a guest that boots a kernel directly, with the two above (sevsim/launch_module.h):
    std::span<const u8> hashes;
    std::span<const u8> kernel;
};

// Each ends the run where the file cannot be launched here.

/// An IGVM file, as its platform's launch loads it.
void load_igvm(std::span<Vcpu> vcpus, const GuestFiles& files);

/// A Linux kernel, by the 32-bit boot protocol, with what firmware has left in memory for it.
void load_kernel(std::span<Vcpu> vcpus, const GuestFiles& files,
                 const MultibootInformation& information);

/// Firmware, from the reset vector. The file is the guest's from here on.
void load_firmware(std::span<Vcpu> vcpus, const GuestFiles& files);

} // namespace vestibule::sevsim
