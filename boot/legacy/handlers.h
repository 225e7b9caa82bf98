// SPDX-License-Identifier: BSD-2-Clause-Patent
// Exceptions in 32-bit legacy mode: #VC to the early handler, every other one to a coded
// termination. Live from before the first instruction that can raise #VC until paging is on.
#pragma once

#include "boot/boot_info.h"
#include "ghcb/termination.h"
#include "x86/descriptor.h"
#include "x86/registers.h"

namespace vestibule::boot::legacy {

/// What handlers need, on the stack of who installs them: code for legacy mode has no memory of its
/// own (linker/legacy.ld).
struct Handlers {
    x86::InterruptGate32 idt[x86::exception::count];
    Platform platform; // what the image was made for
};

/// Fills `handlers` and loads the IDT; the GDT is there already. `handlers` must stay where it is
/// as long as they may be needed.
void install_handlers(Handlers& handlers, Platform platform);

/// Ends the guest as boot::fail does.
[[noreturn]] void fail(Platform platform, ghcb::Reason reason);

} // namespace vestibule::boot::legacy
