// SPDX-License-Identifier: BSD-2-Clause-Patent
// An exit code that is none.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    auto& page       = vestibule::guests::prepare_out('!');
    page.sw_exitcode = 0x12345;
    vestibule::guests::send_and_end(page);
}
