; SPDX-License-Identifier: BSD-2-Clause-Patent
; The library's interrupt gates lead here (APM volume 2, section 8.9.3). #VC and NMI come on stacks
; of the CPU's block (library/per_cpu.h), whose start is the stack pointer cut down to its alignment.
%include "guest_asm.inc"
%include "vc/frame.inc"

        bits    64
        default rel
        section .text

%macro  load_block 1                    ; register
        mov     %1, rsp
        and     %1, -VESTIBULE_CPU_SIZE
%endmacro

        global  vestibule_early_entry
        extern  vestibule_early_vc
vestibule_early_entry:
        push    r15
        save_aligned
        lea     rdi, [THE_FRAME]
        call    vestibule_early_vc
        restore_and_return

; From the first instruction to the IRETQ there is a frame on the #VC stack, counted or not.
        global  vestibule_vc_entry
        global  vestibule_vc_entry_start
        global  vestibule_vc_entry_end
        extern  vestibule_vc
vestibule_vc_entry:
vestibule_vc_entry_start:
        push    r15
        save_aligned
        lea     r12, [THE_FRAME]
        load_block r13
        movzx   r14d, byte [r13 + CPU_VCS]
        inc     byte [r13 + CPU_VCS]
        call    vestibule_vc            ; (frame, block, #VCs before this one), which keeps no register
        load_block rdi
        dec     byte [rdi + CPU_VCS]
        restore_and_return
vestibule_vc_entry_end:

; Up to vestibule_nmi_handled the frame is on the NMI stack or the latch stack, then on the exit stack.
; From vestibule_nmi_left on nothing else is needed of the NMI (library/nmi.cpp).
        global  vestibule_nmi_entry
        global  vestibule_nmi_entry_start
        global  vestibule_nmi_handled
        global  vestibule_nmi_left
        global  vestibule_nmi_entry_end
        global  vestibule_nmi_latched
        global  vestibule_nmi_latched_end
        extern  vestibule_nmi
        extern  vestibule_nmi_again
        extern  vestibule_nmi_leave
vestibule_nmi_entry:
vestibule_nmi_entry_start:
        push    0                       ; an NMI has no error code, a frame has room for one
        push    r15
        save_aligned
        lea     rdi, [THE_FRAME]
        load_block rsi
        movzx   edx, byte [rsi + CPU_NMI]
        mov     byte [rsi + CPU_NMI], 1
        call    vestibule_nmi           ; (frame, block, NMI before this one): the frame on the
vestibule_nmi_handled:                  ; exit stack, or 0 where this one has to wait
        test    rax, rax
        jz      vestibule_nmi_latched
nmi_leaves:
        lea     rsp, [rax - 8]          ; as THE_FRAME says
        load_block rdi
        mov     byte [rdi + CPU_LEAVING], 1
        mov     byte [rdi + CPU_NMI], 0
vestibule_nmi_left:
        call    vestibule_nmi_leave     ; (block): 0, or another NMI is to be handled before
        load_block rdi
        test    eax, eax
        jnz     nmi_again
        mov     byte [rdi + CPU_LEAVING], 0
        restore_and_return
vestibule_nmi_entry_end:
nmi_again:
        lea     rsp, [rdi + CPU_NMI_STACK_TOP]
        mov     byte [rdi + CPU_NMI], 1
        call    vestibule_nmi_again     ; (block): the frame on the exit stack
        jmp     nmi_leaves
vestibule_nmi_latched:
        restore_and_return
vestibule_nmi_latched_end:

        global  vestibule_mc_entry
        global  vestibule_mc_entry_start
        global  vestibule_mc_entry_end
        extern  vestibule_mc
vestibule_mc_entry:
vestibule_mc_entry_start:
        push    0                       ; as with NMIs
        push    r15
        save_aligned
        lea     rdi, [THE_FRAME]
        load_block rsi
        call    vestibule_mc            ; (frame, block)
        restore_and_return
vestibule_mc_entry_end:
