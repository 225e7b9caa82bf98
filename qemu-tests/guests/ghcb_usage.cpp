// SPDX-License-Identifier: BSD-2-Clause-Patent
// A page that says it is not a standard GHCB.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    auto& page      = vestibule::guests::prepare_out('!');
    page.ghcb_usage = 1;
    vestibule::guests::send_and_end(page);
}
