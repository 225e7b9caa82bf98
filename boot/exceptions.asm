; Entries for exceptions other than #VC, and the one instruction of the stub that may fault.
%include "guest_asm.inc"
%include "vc/frame.inc"

        bits    64
        default rel
        section .text

        extern  exception_handler

; One entry a vector, 16 bytes apart (boot/interrupts.cpp): the frame is completed where the CPU
; pushes no error code, and the vector travels in R15 once that is saved.
; Vectors with an error code: 8, 10-14, 17, 21, 29, 30 (APM volume 2, section 8.2).
%define PUSHES_ERROR_CODE ((1 << 8) | (0x1F << 10) | (1 << 17) | (1 << 21) | (3 << 29))

        align   16
        global  exception_entries
exception_entries:
%assign vector 0
%rep    32
        align   16
%if ((PUSHES_ERROR_CODE >> vector) & 1) == 0
        push    0
%endif
        push    r15
        mov     r15d, vector
        jmp     near exception_common
%assign vector vector + 1
%endrep

exception_common:
        save_aligned
        lea     rdi, [THE_FRAME]
        mov     esi, r15d               ; the vector
        call    exception_handler
        restore_and_return

; u32 rdmsr_or_fault(u32 msr, u64* value): 1 and the value; 0 where RDMSR raised #GP, since the
; exception's handler then goes on at rdmsr_or_fault_failed.
        global  rdmsr_or_fault
        global  rdmsr_or_fault_instruction
        global  rdmsr_or_fault_failed
rdmsr_or_fault:
        mov     ecx, edi
rdmsr_or_fault_instruction:
        rdmsr
        shl     rdx, 32
        or      rax, rdx
        mov     [rsi], rax
        mov     eax, 1
        ret
rdmsr_or_fault_failed:
        xor     eax, eax
        ret
