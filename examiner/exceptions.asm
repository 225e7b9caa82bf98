; SPDX-License-Identifier: BSD-2-Clause-Patent
; Exceptions that the examiner counts: NMI and #GP come back to where they came from, #VC goes on to
; the stub's handler with nothing changed. The counters are exceptions.cpp's.
        bits    64
        default rel
        section .text

        extern  examiner_nmis
        extern  examiner_gps
        extern  examiner_vcs
        extern  examiner_vc_code
        extern  examiner_vc_handler
        extern  examiner_take_nmi

; Calls a function with what the ABI lets it change kept.
%macro call_keeping_registers 1
        push    rax
        push    rcx
        push    rdx
        push    rsi
        push    rdi
        push    r8
        push    r9
        push    r10
        push    r11
        cld
        call    %1
        pop     r11
        pop     r10
        pop     r9
        pop     r8
        pop     rdi
        pop     rsi
        pop     rdx
        pop     rcx
        pop     rax
%endmacro

        global  examiner_vc_entry
examiner_vc_entry:
        lock inc qword [examiner_vcs]
        push    rax
        mov     rax, [rsp + 8]          ; the error code
        mov     [examiner_vc_code], rax
        pop     rax
        jmp     [examiner_vc_handler]

; A #GP that a hypervisor injects behind VMGEXIT has nothing to be repeated. One that an instruction
; raises comes again and again: the count ends it (examiner_take_gp).
        extern  examiner_take_gp
        global  examiner_gp_entry
examiner_gp_entry:
        call_keeping_registers examiner_take_gp
        add     rsp, 8                  ; the error code
        iretq

        global  examiner_nmi_entry
examiner_nmi_entry:
        call_keeping_registers examiner_take_nmi
        iretq
