// SPDX-License-Identifier: BSD-2-Clause-Patent
// Running a launched guest: a thread a vCPU, its exits served until the guest ends, time is up or a
// signal comes (KVM ABI, section 5).
#pragma once

#include "launcher/devices.h"
#include "launcher/launch.h"

#include <chrono>
#include <map>

namespace vestibule::launcher {

struct RunOptions {
    u64 memory;                     // in bytes
    int serial;                     // where the guest's output goes, a descriptor
    bool keyboard;                  // whether standard input is its input
    std::chrono::seconds timeout{}; // 0: none
    /// Told of each exit that is no IN or OUT, and of those where it is `every`.
    std::function<void(u32 vcpu, const kvm_run& run)> watch;
};

struct RunResult {
    End end;
    std::map<u32, u64> exits; // by reason
    u64 unclaimed_mmio = 0;   // accesses where no device is
    u64 converted      = 0;   // pages made private or shared
};

RunResult run(Calls& calls, Guest& guest, const RunOptions& options);

} // namespace vestibule::launcher
