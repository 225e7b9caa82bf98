// SPDX-License-Identifier: BSD-2-Clause-Patent
// What a guest says that has met an exit which it cannot serve.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    using vestibule::x86::ExitCode;
    vestibule::guests::send_and_end(
        vestibule::guests::prepare(ExitCode::unsupported_event, 0x8A, 0, {}));
}
