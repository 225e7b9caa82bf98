// SPDX-License-Identifier: BSD-2-Clause-Patent
#include "efi/wait.h"

#include "efi/console.h"
#include "efi/firmware.h"

namespace vestibule::efi {

Problem wait_for_key(u32 seconds) {
    constexpr u64 ticks_per_second =
        10'000'000; // of 100 ns (UEFI specification 2.10, section 7.1.7)
    SIMPLE_INPUT_INTERFACE* const in = firmware.system->ConIn;
    EFI_EVENT timer                  = nullptr;
    if (seconds == 0
        || services().CreateEvent(EVT_TIMER, TPL_APPLICATION, nullptr, nullptr, &timer)
               != EFI_SUCCESS) {
        return no_problem;
    }
    say("starting in ", u64{seconds}, " s; any key goes back to the firmware");
    bool key = false;
    if (services().SetTimer(timer, TimerRelative, seconds * ticks_per_second) == EFI_SUCCESS) {
        EFI_EVENT events[] = {timer, in != nullptr ? in->WaitForKey : nullptr};
        UINTN which        = 0;
        key = services().WaitForEvent(in != nullptr ? 2 : 1, events, &which) == EFI_SUCCESS
              && which == 1;
    }
    (void)services().CloseEvent(timer);
    if (!key || in == nullptr) {
        return no_problem;
    }
    EFI_INPUT_KEY pressed;
    (void)in->ReadKeyStroke(in, &pressed); // not the next program's
    return problem(Trouble::aborted, "stopped by a key");
}

} // namespace vestibule::efi
