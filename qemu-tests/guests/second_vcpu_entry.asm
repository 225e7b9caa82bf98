; SPDX-License-Identifier: BSD-2-Clause-Patent
; The image's entries for second_vcpu.cpp, instead of boot/entry64.asm: the first vCPU's is the same,
; the second's leads somewhere. Both are entered in 64-bit mode, on the tables that are in the file.
        bits    64
        default rel

        extern  stack_top
        extern  bss_start
        extern  bss_end
        extern  stub_main
        extern  second_main

        section .text.entry
        global  entry64
entry64:
        cld
        lea     rdi, [bss_start]
        lea     rcx, [bss_end]
        sub     rcx, rdi
        shr     rcx, 3
        xor     eax, eax
        rep stosq
        lea     rsp, [stack_top]
        xor     ebp, ebp
        call    stub_main
        ud2

        global  entry_ap
entry_ap:
        cld
        mov     rax, [second_cr3]       ; the first vCPU's tables by now
        mov     cr3, rax
        lea     rsp, [second_stack_top]
        xor     ebp, ebp
        call    second_main
        ud2

        section .bss align=16
        resb    4096
second_stack_top:
        global  second_cr3:data hidden
second_cr3:
        resq    1
