// SPDX-License-Identifier: BSD-2-Clause-Patent
// OUT with something in RDX that is not marked valid: no hypervisor has to look at the bitmap to
// read it. Before it a call that shows all that the second one leaves as it is.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    vestibule::guests::send(vestibule::guests::prepare_out('!'));
    auto& page = vestibule::guests::prepare_out('!');
    page.rdx   = 0x1234;
    vestibule::guests::send_and_end(page);
}
