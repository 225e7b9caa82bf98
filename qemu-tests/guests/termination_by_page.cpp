// SPDX-License-Identifier: BSD-2-Clause-Patent
// A termination request through the page instead of the MSR.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    auto& page           = vestibule::guests::prepare_out('!');
    page.sw_exitcode     = static_cast<vestibule::u64>(vestibule::x86::ExitCode::termination);
    page.sw_exitinfo1    = 2 | (0x06 << 4); // reason set in [3:0], reason code in [11:4]
    page.valid_bitmap[0] = 0;
    vestibule::guests::send_and_end(page);
}
