; SPDX-License-Identifier: BSD-2-Clause-Patent
; The sleep of sti_hlt.cpp, and what wakes it.
        bits    64
        default rel
        section .text
        global  sleep_until_interrupt
        global  behind_hlt
        global  interrupt_entry

sleep_until_interrupt:
        sti
        hlt
behind_hlt:
        cli
        ret

interrupt_entry:
        push    rax
        mov     rax, [rsp + 8]
        mov     [interrupted_at], rax
        pop     rax
        iretq

        section .bss align=8
        global  interrupted_at
interrupted_at:
        resq    1
