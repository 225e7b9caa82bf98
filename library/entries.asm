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
        save_after_r15
        lea     rdi, [THE_FRAME]
        call    vestibule_early_vc
        restore_and_return

        global  vestibule_vc_entry
        extern  vestibule_vc
vestibule_vc_entry:
        push    r15
        save_after_r15
        lea     rdi, [THE_FRAME]
        load_block rsi
        call    vestibule_vc
        restore_and_return

        global  vestibule_nmi_entry
        extern  vestibule_nmi
        extern  vestibule_nmi_done
vestibule_nmi_entry:
        push    0                       ; an NMI has no error code, a frame has room for one
        push    r15
        save_after_r15
        lea     rdi, [THE_FRAME]
        load_block rsi
        call    vestibule_nmi           ; where the frame is now: off the NMI stack
        lea     rsp, [rax - 8]          ; as THE_FRAME says
        load_block rdi
        call    vestibule_nmi_done
        restore_and_return
