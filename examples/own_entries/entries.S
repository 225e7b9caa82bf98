// SPDX-License-Identifier: BSD-2-Clause-Patent
/* Entries of the kernel's own. Each lays out struct vestibule_frame: the general registers from R15
 * down to RAX, below what the CPU has pushed. #VC and NMI come on stacks of their own, by IST. */
        .code64
        .text
        .set    ghcb_msr, 0xC0010130

        .macro  save
        pushq   %r15
        pushq   %r14
        pushq   %r13
        pushq   %r12
        pushq   %r11
        pushq   %r10
        pushq   %r9
        pushq   %r8
        pushq   %rdi
        pushq   %rsi
        pushq   %rbp
        pushq   %rbx
        pushq   %rdx
        pushq   %rcx
        pushq   %rax
        cld
        .endm

        .macro  restore_and_return
        popq    %rax
        popq    %rcx
        popq    %rdx
        popq    %rbx
        popq    %rbp
        popq    %rsi
        popq    %rdi
        popq    %r8
        popq    %r9
        popq    %r10
        popq    %r11
        popq    %r12
        popq    %r13
        popq    %r14
        popq    %r15
        addq    $8, %rsp                /* the error code */
        iretq
        .endm

/* 21 words on a stack that was aligned to 16. */
        .globl  vc_entry
vc_entry:
        save
        movq    %rsp, %rdi
        subq    $8, %rsp
        call    on_vc
        addq    $8, %rsp
        restore_and_return

        .globl  gp_entry
gp_entry:
        save
        movq    %rsp, %rdi
        movl    $13, %esi
        subq    $8, %rsp
        call    on_exception
        addq    $8, %rsp
        restore_and_return

/* The next NMI may come as soon as the hypervisor knows of this one's end, which is before the IRET.
 * So the frame leaves the NMI stack first, for the interrupted code's: this kernel has no user mode,
 * no SYSCALL and no red zone, so that stack is good. Below the frame is what the GHCB MSR held: the
 * NMI may have come between two uses of it, and its own calls have used it since. */
        .globl  nmi_entry
nmi_entry:
        pushq   $0                      /* no error code */
        save
        movq    %rsp, %rdi
        movl    $ghcb_msr, %ecx
        rdmsr
        pushq   %rax
        movl    %edx, 4(%rsp)
        call    on_nmi
        movq    160(%rsp), %rdi         /* the interrupted RSP; below it, at an alignment of 16 */
        subq    $22 * 8, %rdi
        andq    $-16, %rdi
        movq    %rdi, %rax
        movq    %rsp, %rsi
        movl    $22, %ecx
        rep movsq
        movq    %rax, %rsp
        call    nmi_complete
        movl    $ghcb_msr, %ecx
        movl    4(%rsp), %edx
        popq    %rax
        wrmsr
        restore_and_return
