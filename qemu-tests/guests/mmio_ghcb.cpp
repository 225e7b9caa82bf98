// SPDX-License-Identifier: BSD-2-Clause-Patent
// A nested page fault at an instruction that reaches the GHCB page, as a hypervisor forges it there
// (WeSee): the page is memory, and the guest ends without a question. The frame is made by hand, as
// the CPU pushes it (APM volume 2, section 8.9.3), so that nobody has to meet the instruction.
#include "boot/boot_info.h"
#include "boot/interrupts.h"

using namespace vestibule;

#ifndef REACHES
#define REACHES "mov %%eax, (%[page])" // the short way (vc/quick_mmio.h)
#endif

extern "C" [[noreturn]] void payload_main(const boot::BootInfo&) {
    asm volatile("mov %%rsp, %%rdx\n\t"
                 "and $-16, %%rsp\n\t"
                 "mov %%ss, %%eax\n\t"
                 "push %%rax\n\t"
                 "push %%rdx\n\t"
                 "pushfq\n\t"
                 "mov %%cs, %%eax\n\t"
                 "push %%rax\n\t"
                 "lea 1f(%%rip), %%rax\n\t"
                 "push %%rax\n\t"
                 "push $0x400\n\t"
                 "jmp vc_runtime_entry\n"
                 "1:\t" REACHES "\n\t"
                 :
                 : [page] "c"(boot::vc_context().ghcb.page)
                 : "rax", "rdx", "memory");
    __builtin_trap();
}
