// SPDX-License-Identifier: BSD-2-Clause-Patent
// See finish.h.
#include "examiner/finish.h"

#include "boot/ports.h"
#include "examiner/console.h"
#include "examiner/conversation.h"
#include "examiner/machine.h"
#include "ghcb/termination.h"

namespace vestibule::examiner {

void finish(bool passed) {
    // From QEMU 10 on this port ends the machine some instructions later: the last status that is
    // written counts.
    write_port(boot::port::debug_exit, passed ? 0 : 1);
    if (info().platform != boot::Platform::native) {
        const ghcb::Reason reason =
            passed ? ghcb::reason::selftest_passed : ghcb::reason::selftest_failed;
        (void)exchange(u64{reason.code} << 16 | u64{reason.set} << 12 | msr::terminate);
    }
    x86::Cpu::halt();
}

void give_up(const char* why) {
    write("Bail out! ");
    write(why);
    write('\n');
    finish(false);
}

} // namespace vestibule::examiner
