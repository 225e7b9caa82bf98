// SPDX-License-Identifier: BSD-2-Clause-Patent
// The built-in payload: a guest that tries its own #VC handling and says what it saw.
#include "boot/boot_info.h"
#include "boot/fatal.h"
#include "boot/ports.h"
#include "boot/selftest/cases.h"
#include "boot/selftest/console.h"
#include "boot/selftest/tap.h"
#include "x86/cpu.h"

using namespace vestibule;

extern "C" [[noreturn]] void payload_main(const boot::BootInfo& info) {
    const bool passed = selftest::run_all_cases(info);
    // Under emulation this port ends the machine, from QEMU 10 on some instructions later: the last
    // status that is written counts. Where it is nothing, a confidential guest asks for its end.
    x86::Cpu::out8(boot::port::debug_exit, passed ? 0 : 1);
    if (info.platform == boot::Platform::native) {
        x86::Cpu::halt();
    }
    boot::fail(passed ? ghcb::reason::selftest_passed : ghcb::reason::selftest_failed);
}
