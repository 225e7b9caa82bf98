// SPDX-License-Identifier: BSD-2-Clause-Patent
// What boot/pvh/enter.asm needs of 32-bit legacy mode: handlers that outlive it.
#include "boot/legacy/handlers.h"

using namespace vestibule;

extern "C" [[gnu::regparm(3)]] void legacy_main(boot::Platform platform,
                                                boot::legacy::Handlers& handlers);

void legacy_main(boot::Platform platform, boot::legacy::Handlers& handlers) {
    boot::legacy::install_handlers(handlers, platform);
}
