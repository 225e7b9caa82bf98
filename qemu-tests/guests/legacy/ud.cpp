// SPDX-License-Identifier: BSD-2-Clause-Patent
// An exception that nobody handles, in 32-bit legacy mode.
#include "boot/legacy/handlers.h"

using namespace vestibule;

extern "C" [[gnu::regparm(3)]] u64 legacy_main(u32 base, boot::Platform platform,
                                               boot::legacy::Handlers& handlers);

u64 legacy_main(u32 /*base*/, boot::Platform platform, boot::legacy::Handlers& handlers) {
    boot::legacy::install_handlers(handlers, platform);
    asm volatile("ud2");
    boot::legacy::fail(platform, ghcb::reason::general);
}
