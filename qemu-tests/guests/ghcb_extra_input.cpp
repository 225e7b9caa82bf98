// SPDX-License-Identifier: BSD-2-Clause-Patent
// OUT with RDX marked valid as well, which nobody asked for: served, and held against the guest.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    auto& page = vestibule::guests::prepare_out('!');
    page.valid_bitmap[1] |= vestibule::ghcb::FieldSet::of(vestibule::ghcb::Field::rdx).high;
    vestibule::guests::send_and_end(page);
}
