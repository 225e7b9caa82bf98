// SPDX-License-Identifier: BSD-2-Clause-Patent
// OUT without RAX marked valid.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    auto& page           = vestibule::guests::prepare_out('!');
    page.valid_bitmap[0] = 0;
    vestibule::guests::send_and_end(page);
}
