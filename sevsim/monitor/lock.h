// One lock for all of the monitor: a processor holds it from the guest's exit to the next entry, so
// that devices, nested tables and records see one vCPU at a time.
//
// Whoever comes first takes it. A lock that served in the order of asking would, on a busy host,
// wait for processors that the host does not run at the moment, and so be free for most of the time
// while all others want it.
#pragma once

#include "x86/cpu.h"

#include <atomic>

namespace vestibule::sevsim {

class Lock {
  public:
    void acquire() {
        while (taken_.exchange(true)) {
            while (taken_.load()) {
                x86::Cpu::pause();
            }
        }
    }

    void release() { taken_.store(false); }

  private:
    std::atomic<bool> taken_ = false;
};

} // namespace vestibule::sevsim
