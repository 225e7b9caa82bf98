; SPDX-License-Identifier: BSD-2-Clause-Patent
; Entries for exceptions, #VC among them until the runtime handler has a gate of its own
; (vc/entry64.asm), and the one instruction of the stub that may fault.
%include "guest_asm.inc"
%include "vc/frame.inc"

        bits    64
        default rel
        section .text

        extern  exception_handler

; One entry a vector, 8 bytes apart (boot/interrupts.h).
        align   8
        global  exception_entries
exception_entries:
%assign vector 0
%rep    32
        align   8
        push    vector
        jmp     near exception_common
%assign vector vector + 1
%endrep

; The frame is completed where the CPU pushes no error code, and the vector travels in R15 once that
; is saved, in the vector's place.
exception_common:
        xchg    r15, [rsp]
        bt      dword [pushes_error_code], r15d
        jc      .frame_is_whole
        push    qword [rsp]
        mov     qword [rsp + 8], 0
.frame_is_whole:
        save_aligned
        lea     rdi, [THE_FRAME]
        mov     esi, r15d               ; the vector
        call    exception_handler
        restore_and_return

; Vectors with an error code: 8, 10-14, 17, 21, 29, 30 (APM volume 2, section 8.2).
pushes_error_code:
        dd      (1 << 8) | (0x1F << 10) | (1 << 17) | (1 << 21) | (3 << 29)

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
