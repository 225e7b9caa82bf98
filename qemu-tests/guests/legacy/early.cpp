// SPDX-License-Identifier: BSD-2-Clause-Patent
// One instruction in 32-bit legacy mode, with its early handler installed. Which one, and CPUID's
// inputs, are definitions of the build.
#include "boot/legacy/handlers.h"
#include "qemu-tests/guests/snippets32.h"

using namespace vestibule;

extern "C" {
[[gnu::regparm(1)]] void SNIPPET(guests::Snippet32Registers& registers);
[[gnu::regparm(3)]] u64 legacy_main(u32 base, boot::Platform platform,
                                    boot::legacy::Handlers& handlers);
}

u64 legacy_main(u32 /*base*/, boot::Platform platform, boot::legacy::Handlers& handlers) {
    boot::legacy::install_handlers(handlers, platform);
    const bool works = guests::early_cpuid_works(LEAF, SUBLEAF, SNIPPET);
    boot::legacy::fail(platform,
                       works ? ghcb::reason::selftest_passed : ghcb::reason::selftest_failed);
}
