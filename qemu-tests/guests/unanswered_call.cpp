// SPDX-License-Identifier: BSD-2-Clause-Patent
// A CPUID that the hypervisor passes over (sevsim's lie `unanswered`), and behind it an OUT whose
// valid bits are the CPUID's still: RCX has been shown, and is nothing new. Then one that marks RCX
// valid by itself, and shows it.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

using namespace vestibule;
using namespace vestibule::guests;

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    constexpr FieldSet inputs = FieldSet::of(Field::rax) | FieldSet::of(Field::rcx);
    auto& page                = prepare(x86::ExitCode::cpuid, 0, 0, inputs);
    page.rax                  = 0x8000'0000;
    page.rcx                  = 0x8000'0000;
    send(page);
    page.sw_exitcode  = static_cast<u64>(x86::ExitCode::ioio);
    page.sw_exitinfo1 = out_byte_to_com1;
    page.rax          = '!';
    send(page);
    page.sw_exitinfo1    = out_byte_to_com1;
    page.rax             = '?';
    page.valid_bitmap[0] = (inputs | always_valid).low;
    page.valid_bitmap[1] = (inputs | always_valid).high;
    send_and_end(page);
}
