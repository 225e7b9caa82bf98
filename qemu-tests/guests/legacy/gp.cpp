// SPDX-License-Identifier: BSD-2-Clause-Patent
// RDMSR of SEV_STATUS on a CPU that has no such MSR, in 32-bit legacy mode: it raises #GP, and the
// handler makes it read zero. This machine has it, so the exception is staged: what the CPU pushes,
// then a jump to the gate's target.
#include "boot/legacy/handlers.h"
#include "x86/msr.h"

using namespace vestibule;

extern "C" {
u32 legacy_exception_entries();
[[gnu::regparm(3)]] u64 legacy_main(u32 base, boot::Platform platform,
                                    boot::legacy::Handlers& handlers);
}

u64 legacy_main(u32 /*base*/, boot::Platform platform, boot::legacy::Handlers& handlers) {
    boot::legacy::install_handlers(handlers, platform);
    constexpr u32 entry_stride = 4;
    u32 eax                    = 1;
    u32 edx                    = 1;
    asm volatile(
        "pushfl\n\t"
        "pushl %%cs\n\t"
        "call 1f\n"
        "1:\taddl $(2f - 1b), (%%esp)\n\t"
        "pushl $0\n\t" // the error code
        "jmp *%2\n"
        "2:\trdmsr"
        : "+a"(eax), "+d"(edx)
        : "r"(legacy_exception_entries() + x86::exception::general_protection * entry_stride),
          "c"(static_cast<u32>(x86::Msr::sev_status))
        : "memory", "cc");
    const bool zero = eax == 0 && edx == 0;
    boot::legacy::fail(platform,
                       zero ? ghcb::reason::selftest_passed : ghcb::reason::selftest_failed);
}
