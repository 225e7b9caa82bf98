// SPDX-License-Identifier: BSD-2-Clause-Patent
/* The first instructions: 64-bit mode, flat segments, the image's 2 MiB identity-mapped and private,
 * interrupts off; no GDT, no IDT, no stack. All of the image was loaded, so all of it is validated and
 * holds what the launch has measured. */
        .code64
        .section .text.start, "ax"
        .globl  start
start:
        cld
        leaq    stack_top(%rip), %rsp
        xorl    %ebp, %ebp
        call    kernel_main
        ud2

/* Where exceptions end that the kernel has no handler for: the guest's end, reason GENERAL. */
        .globl  fault
fault:
        xorl    %edi, %edi
        andq    $-16, %rsp
        call    vestibule_terminate
