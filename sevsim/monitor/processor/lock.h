// SPDX-License-Identifier: BSD-2-Clause-Patent
// One lock for all of the monitor: a processor holds it from the guest's exit to the next entry, so
// that devices, nested tables and records see one vCPU at a time.
//
// Whoever comes first takes it. A lock that served in the order of asking would, on a busy host,
// wait for processors that the host does not run at the moment, and so be free for most of the time
// while all others want it. But who lets go of it while others wait lets them run: where QEMU runs
// its processors in turn (--repeatable), a turn would else end, nearly always, with the lock taken.
#pragma once

#include "x86/cpu.h"

#include <atomic>

namespace vestibule::sevsim {

class Lock {
  public:
    void acquire() {
        if (!taken_.exchange(true)) {
            return;
        }
        waiting_.fetch_add(1);
        do {
            while (taken_.load()) {
                x86::Cpu::pause();
            }
        } while (taken_.exchange(true));
        waiting_.fetch_sub(1);
    }

    void release() {
        taken_.store(false);
        if (waiting_.load() != 0) {
            x86::Cpu::pause(); // QEMU goes on with another processor here
        }
    }

  private:
    std::atomic<bool> taken_  = false;
    std::atomic<u32> waiting_ = 0;
};

} // namespace vestibule::sevsim
