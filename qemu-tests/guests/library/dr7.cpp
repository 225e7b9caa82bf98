// SPDX-License-Identifier: BSD-2-Clause-Patent
// MOV from and to DR7, of which the library keeps a copy where the hypervisor intercepts it. Where
// SEV_STATUS shows DebugSwap (--hostile debug-swap) there is none to serve from. Exit code 0 if it
// holds what was written.
#include "qemu-tests/guests/library/machine.h"

using namespace vestibule;
using namespace vestibule::guests;

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    start_library(good_setup());
    say("DR7");
    constexpr u64 written = 0x401;
    u64 read              = 0;
    asm volatile("mov %0, %%dr7" : : "r"(written));
    asm volatile("mov %%dr7, %0" : "=r"(read));
    check(read == written, "DR7 is not what was written");
    say("done");
    end_run();
}
