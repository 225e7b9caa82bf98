; SPDX-License-Identifier: BSD-2-Clause-Patent
; The NMI entry of nmi_masked.cpp.
        bits    64
        section .text
        extern  nmi_handler

        global  nmi_entry
nmi_entry:
        push    rax                     ; what a C++ function may change: nine registers, which
        push    rcx                     ; also aligns the stack after the five that the CPU pushed
        push    rdx
        push    rsi
        push    rdi
        push    r8
        push    r9
        push    r10
        push    r11
        cld
        call    nmi_handler
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     rax
        iretq
