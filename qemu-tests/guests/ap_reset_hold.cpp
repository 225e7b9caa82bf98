// SPDX-License-Identifier: BSD-2-Clause-Patent
// A vCPU that waits for its SIPI, on a machine with no other to send it.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    using vestibule::x86::ExitCode;
    vestibule::guests::send_and_end(vestibule::guests::prepare(ExitCode::ap_reset_hold, 0, 0, {}));
}
