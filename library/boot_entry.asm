; SPDX-License-Identifier: BSD-2-Clause-Patent
; The #VC entry of a kernel that has no TSS yet (library/boot_entry.cpp): on the interrupted stack.
%include "guest_asm.inc"
%include "vc/frame.inc"

        bits    64
        default rel
        section .text

        global  vestibule_boot_entry
        extern  vestibule_boot_vc
vestibule_boot_entry:
        push    r15
        save_aligned
        lea     rdi, [THE_FRAME]
        call    vestibule_boot_vc       ; (frame)
        cmp     rax, 1
        ja      .exception_with_error_code
        je      .exception
        restore_and_return

; What the CPU has pushed for #VC is what it would push for the other exception, which so begins where
; this one ends.
.exception:                             ; its handler's address is in place of the error code
        add     rsp, 8
        pop_all_but_r15
        pop     r15
        ret

.exception_with_error_code:             ; it is in RAX, and goes by the place of R15
        mov     r15, rax
        add     rsp, 8
        pop_all_but_r15
        xchg    r15, [rsp]
        ret
