// SPDX-License-Identifier: BSD-2-Clause-Patent
// A kernel with a #VC entry of its own, on the interrupted stack: it serves by
// vestibule_handle_vc() and hands exceptions on itself. Exit code 0 if both work.
#include "qemu-tests/guests/library/machine.h"
#include "qemu-tests/guests/library/user.h"

#include "boot/image.h"

using namespace vestibule;
using namespace vestibule::guests;

#pragma GCC visibility push(hidden)
extern "C" {
extern u8 vc_runtime_entry[]; // vc/entry64.asm; it and its neighbour call these
[[clang::preserve_none]] void vc_runtime_handler(vc::Frame& frame); // vc/entry64.asm
void vc_early_handler(vc::Frame& frame);
void exception_handler(vc::Frame& frame, u32 vector);
}
#pragma GCC visibility pop

void vc_early_handler(vc::Frame&) { vestibule_terminate(0); }

void vc_runtime_handler(vc::Frame& frame) {
    if (!vc::is_whole(frame)) {
        vestibule_terminate(0x23A); // BAD_FRAME: without an error code
    }
    const u8 vector =
        vestibule_handle_vc(&machine.cpu, reinterpret_cast<vestibule_frame*>(&frame), 0);
    if (vector != 0) {
        exception_handler(frame, vector);
    }
}

extern "C" [[noreturn]] void stub_main() {
    start_machine();
    start_library(good_setup());
    machine.idt[x86::exception::vmm_communication] =
        x86::InterruptGate::to(boot::address_of(vc_runtime_entry), boot::code64_selector);
    say("by our own entry");
    machine.skip    = 2;
    const u64 value = rdmsr_of(0x1234'5678, end_of(machine.fault_stack));
    check(value == 0x2222'2222'1111'1111 && machine.seen.count == 1
              && machine.seen.vector == x86::exception::general_protection
              && machine.seen.frame.error_code == 0
              && machine.seen.frame.rip == boot::address_of(rdmsr_here),
          "RDMSR of a register that is not there");
    check(x86::Cpu::cpuid(0x8000'0000).eax >= 0x8000'001F, "CPUID");
    end_run();
}
