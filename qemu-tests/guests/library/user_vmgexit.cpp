// SPDX-License-Identifier: BSD-2-Clause-Patent
// VMGEXIT in user mode, which no privilege check stops: between the kernel's calls the page holds
// nothing that is marked valid, so the hypervisor finds no call in it, and the kernel goes on.
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

using namespace vestibule;
using namespace vestibule::guests;

extern "C" [[noreturn]] void stub_main() {
    constexpr u8 code[] = {0xF3, 0x0F, 0x01, 0xD9, 0xCD, 0x80}; // VMGEXIT, INT 0x80
    start_machine();
    start_library(good_setup());
    say("started");
    x86::Cpu::allow_user_access();
    for (unsigned n = 0; n < sizeof code; ++n) {
        machine.user_code[n] = code[n];
    }
    x86::Cpu::forbid_user_access();
    u64 rax_rdx[2] = {0x1111, 0x2222};
    enter_user(reinterpret_cast<u64>(machine.user_code), end_of(machine.user_stack), user_code64,
               user_data, x86::rflags::reserved_one, rax_rdx);
    check(rax_rdx[0] == 0x1111 && rax_rdx[1] == 0x2222, "VMGEXIT has changed a register");
    say("done");
    end_run();
}
