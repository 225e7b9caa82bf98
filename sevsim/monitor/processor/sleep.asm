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
