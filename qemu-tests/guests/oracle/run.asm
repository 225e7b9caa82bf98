; SPDX-License-Identifier: BSD-2-Clause-Patent
; Entering a snippet by IRETQ with every register as its row has it, and leaving it through whatever
; exception or interrupt it ends in. All entries have stacks of their own (IST), so RSP is the
; snippet's too.
%include "guest_asm.inc"
%include "oracle_asm.inc"
%include "vc/frame.inc"

        bits    64
        default rel

        section .bss
saved_rsp:
        resq    1
        global  oracle_handler_rflags
        global  oracle_handler_ss
oracle_handler_rflags:
        resq    1
oracle_handler_ss:
        resq    1

        section .text
        global  oracle_enter
oracle_enter:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        mov     [saved_rsp], rsp

        mov     ds, [rdi + ENTRY_DS]    ; no matter to 64-bit code
        mov     es, [rdi + ENTRY_ES]
        mov     fs, [rdi + ENTRY_FS]
        mov     gs, [rdi + ENTRY_GS]
        cmp     qword [rdi + ENTRY_HAS_BASES], 0
        je      .bases_done
        mov     ecx, 0xC0000100         ; FS.base, then GS.base
        mov     eax, [rdi + ENTRY_FS_BASE]
        mov     edx, [rdi + ENTRY_FS_BASE + 4]
        wrmsr
        inc     ecx
        mov     eax, [rdi + ENTRY_GS_BASE]
        mov     edx, [rdi + ENTRY_GS_BASE + 4]
        wrmsr
.bases_done:
        push    qword [rdi + ENTRY_SS]
        push    qword [rdi + ENTRY_GPR + 4 * 8]
        push    qword [rdi + ENTRY_RFLAGS]
        push    qword [rdi + ENTRY_CS]
        push    qword [rdi + ENTRY_RIP]
        mov     rax, [rdi + ENTRY_GPR + 0 * 8]
        mov     rcx, [rdi + ENTRY_GPR + 1 * 8]
        mov     rdx, [rdi + ENTRY_GPR + 2 * 8]
        mov     rbx, [rdi + ENTRY_GPR + 3 * 8]
        mov     rbp, [rdi + ENTRY_GPR + 5 * 8]
        mov     rsi, [rdi + ENTRY_GPR + 6 * 8]
        mov     r8, [rdi + ENTRY_GPR + 8 * 8]
        mov     r9, [rdi + ENTRY_GPR + 9 * 8]
        mov     r10, [rdi + ENTRY_GPR + 10 * 8]
        mov     r11, [rdi + ENTRY_GPR + 11 * 8]
        mov     r12, [rdi + ENTRY_GPR + 12 * 8]
        mov     r13, [rdi + ENTRY_GPR + 13 * 8]
        mov     r14, [rdi + ENTRY_GPR + 14 * 8]
        mov     r15, [rdi + ENTRY_GPR + 15 * 8]
        mov     rdi, [rdi + ENTRY_GPR + 7 * 8]
        iretq

        global  oracle_leave
oracle_leave:
        mov     eax, KERNEL_DATA
        mov     ds, eax
        mov     es, eax
        mov     ss, eax
        xor     eax, eax
        mov     fs, eax
        mov     gs, eax
        mov     rsp, [saved_rsp]
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

; One entry a vector: the frame is completed where the CPU pushes no error code, and the vector
; travels in R15 once that is saved. Vectors with an error code: APM volume 2, section 8.2.
%define PUSHES_ERROR_CODE ((1 << 8) | (0x1F << 10) | (1 << 17) | (1 << 21) | (3 << 29))

        extern  oracle_record
        align   ENTRY_STRIDE
        global  recorder_entries
recorder_entries:
%assign vector 0
%rep    VECTORS
        align   ENTRY_STRIDE
%if vector >= 32 || ((PUSHES_ERROR_CODE >> vector) & 1) == 0
        push    0
%endif
        push    r15
        mov     r15d, vector
        jmp     near record
%assign vector vector + 1
%endrep

record:
        pushfq
        pop     qword [oracle_handler_rflags]
        mov     [oracle_handler_ss], ss
        save_aligned
        lea     rdi, [THE_FRAME]
        mov     esi, r15d
        call    oracle_record           ; does not return

        extern  oracle_vc_handler
        global  oracle_vc_entry
oracle_vc_entry:
        push    r15
        save_aligned
        lea     rdi, [THE_FRAME]
        call    oracle_vc_handler
        restore_and_return
