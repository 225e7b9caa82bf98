; SPDX-License-Identifier: BSD-2-Clause-Patent
; How a processor sleeps in the monitor, and how it is woken by an NMI (processors.h). The global
; interrupt flag is off from #VMEXIT on (APM volume 2, section 15.17), which holds NMIs back: here it
; is on.
        bits    64
        default rel
        section .text

; void sleep_until_woken(const u8& woken)
        global  sleep_until_woken
sleep_until_woken:
        stgi
.check: cmp     byte [rdi], 0
        jne     .woken
.halt:  hlt
.halted:
        jmp     .check
.woken: clgi
        ret

; void open_nmi_window(): takes an NMI that is held back
        global  open_nmi_window
open_nmi_window:
        stgi
        nop
        clgi
        ret

; u8 take_interrupt(): takes one that is held back; its vector, 0 where there is none
        global  take_interrupt
take_interrupt:
        mov     byte [taken_vector], 0
        stgi
        sti
        nop
        nop
        cli
        clgi
        movzx   eax, byte [taken_vector]
        ret

; One entry of 16 bytes for each vector from 32 on.
        global  monitor_interrupt_entries
        align   16
monitor_interrupt_entries:
%assign vector 32
%rep 224
        align   16
        mov     byte [taken_vector], vector
        iretq
%assign vector vector + 1
%endrep

; An NMI between the look and the halt would be slept over: then the look is repeated.
        global  monitor_nmi_entry
monitor_nmi_entry:
        push    rax
        push    rcx
        mov     rax, [rsp + 16]         ; the interrupted RIP
        lea     rcx, [sleep_until_woken.halted]
        cmp     rax, rcx
        jae     .elsewhere
        lea     rcx, [sleep_until_woken.check]
        cmp     rax, rcx
        jb      .elsewhere
        mov     [rsp + 16], rcx
.elsewhere:
        pop     rcx
        pop     rax
        iretq

        section .bss
taken_vector:
        resb    1                       ; under the monitor's lock
