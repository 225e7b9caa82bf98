// SPDX-License-Identifier: BSD-2-Clause-Patent
// No protocol version at all, as OVMF leaves it: a breach, but served.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    auto& page            = vestibule::guests::prepare_out('!');
    page.protocol_version = 0;
    vestibule::guests::send_and_end(page);
}
