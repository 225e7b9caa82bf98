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
        lea     rdi, [THE_FRAME]
        load_block rsi
        movzx   edx, byte [rsi + CPU_VCS]
        inc     byte [rsi + CPU_VCS]
        call    vestibule_vc            ; (frame, block, #VCs before this one)
        load_block rdi
        dec     byte [rdi + CPU_VCS]
        restore_and_return
vestibule_vc_entry_end:

; Up to vestibule_nmi_left the frame is on the NMI stack, from there to the IRETQ on the exit stack.
        global  vestibule_nmi_entry
        global  vestibule_nmi_entry_start
        global  vestibule_nmi_left
        global  vestibule_nmi_entry_end
        extern  vestibule_nmi
        extern  vestibule_nmi_done
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
        lea     rsp, [rax - 8]          ; exit stack, as THE_FRAME says
        load_block rdi
        mov     byte [rdi + CPU_LEAVING], 1
        mov     byte [rdi + CPU_NMI], 0
vestibule_nmi_left:
        call    vestibule_nmi_done      ; (block)
        load_block rdi
        mov     byte [rdi + CPU_LEAVING], 0
        restore_and_return
vestibule_nmi_entry_end:
