// SPDX-License-Identifier: BSD-2-Clause-Patent
// CPUID, whose exit shows RAX and RCX, with a secret in R12; the next call has that in a field that
// it does not take, as a handler would that copies all registers into the page.
#include "boot/boot_info.h"
#include "qemu-tests/guests/raw_call.h"

extern "C" [[noreturn]] void payload_main(const vestibule::boot::BootInfo&) {
    using namespace vestibule;
    u64 secret = 0xA5A5'1234'5678'9ABC; // not one of memory's addresses
    u32 eax    = 0;
    u32 ecx    = 0;
    asm volatile("mov %[secret], %%r12; cpuid; mov %%r12, %[secret]"
                 : [secret] "+r"(secret), "+a"(eax), "+c"(ecx)
                 :
                 : "rbx", "rdx", "r12");
    auto& page = guests::prepare_out('!');
    page.r12   = secret;
    guests::send_and_end(page);
}
