// SPDX-License-Identifier: BSD-2-Clause-Patent
// The machine's processors. Each runs the monitor for one vCPU, that of its own number, and holds
// the monitor's lock wherever it is not in the guest or asleep.
#pragma once

#include "sevsim/monitor/processor/vcpu.h"

#include <span>

namespace vestibule::sevsim {

/// All vCPUs of the machine.
std::span<Vcpu> vcpus();

/// Has the other processors enter the monitor and prepare themselves. To be called while low memory
/// is still the monitor's.
void start_processors(const Options& options);

/// Lets them run their vCPUs as soon as the lock is free.
void release_processors();

/// Runs this processor's vCPU for ever.
[[noreturn]] void run(Vcpu& vcpu);

/// Stops this processor's vCPU until somebody sets its activity to running and wakes it. Where that
/// leaves no vCPU running the run ends, since nothing else ends: `detail` says what then.
void stop(Vcpu& vcpu, Activity activity, const char* detail);

/// Ends a stopped vCPU's sleep, or has a running one exit to its monitor.
void wake(Vcpu& vcpu);

/// Takes the NMI by which wake() has called this processor out of the guest.
void take_wake_up();

} // namespace vestibule::sevsim
