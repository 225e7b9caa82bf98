// SPDX-License-Identifier: BSD-2-Clause-Patent
// OUT of a byte with the rest of RAX left in the page: served, and held against the guest.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    auto& page = vestibule::guests::prepare_out('!');
    page.rax |= 0x5EC4E700;
    vestibule::guests::send_and_end(page);
}
