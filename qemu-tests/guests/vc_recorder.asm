; SPDX-License-Identifier: BSD-2-Clause-Patent
; The #VC handler of vc_codes.cpp: it notes the error code and skips the instruction.
        bits    64
        default rel
        section .text

        global  vc_recorder
vc_recorder:
        push    rax
        mov     rax, [rsp + 8]          ; the error code
        mov     [vc_last_code], rax
        mov     rax, [vc_skipped]
        add     [rsp + 16], rax         ; RIP
        pop     rax
        add     rsp, 8
        iretq

        section .bss
        global  vc_last_code
        global  vc_skipped
        align   8
vc_last_code:
        resq    1
vc_skipped:
        resq    1
