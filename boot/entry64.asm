; SPDX-License-Identifier: BSD-2-Clause-Patent
; The first instructions of the guest in 64-bit mode.
;
; On entry (igvm/image/initial_state.h, or one of the 32-bit entries): 64-bit code segment, flat data
; segments, the 2 MiB around the image identity-mapped and private by one page of page tables
; (boot/initial_tables.h), interrupts off. No GDT that is needed, no IDT, no stack. Nothing here can
; raise #VC: no instruction that a hypervisor can intercept, no access outside the image's own
; memory. The handler is live before anything else runs (boot::install_early_handlers, the first
; thing that stub_main does).

        bits    64
        default rel

        extern  stack_top
        extern  cleared_start
        extern  bss_end
        extern  stub_main

        section .text.entry
        global  entry64
entry64:
        cld                             ; assume nothing
        lea     rdi, [cleared_start]    ; memory that nobody loaded reads as noise: clear what is ours
        lea     rcx, [bss_end]
        sub     rcx, rdi
        shr     rcx, 3
        xor     eax, eax
        rep stosq
        lea     rsp, [stack_top]
        xor     ebp, ebp
        call    stub_main
        ud2                             ; stub_main does not return

; Where further vCPUs start, in whatever mode: these bytes mean the same in each. They have measured
; state of their own so that no hypervisor can choose what they run, and wait to be told by a payload
; that knows of them.
        global  entry_ap:function weak  ; boot/hand_over/ap.asm
entry_ap:
        cli
        hlt
        jmp     short entry_ap
