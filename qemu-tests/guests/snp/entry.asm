; SPDX-License-Identifier: BSD-2-Clause-Patent
; The first instructions of an SEV-SNP guest of the tests, and those that C++ cannot say. All memory of
; the image is validated by the launch, and zero where nothing stands in it.
;
; Instructions that may fault are probed: `resume` says where to go on when they do, and the result is
; bit 63, the vector in [39:32] and the error code in [31:0].
        bits    64
        default rel

        extern  stack_top
        extern  guest_main

        section .text.entry
        global  entry64
entry64:
        cld
        lea     rsp, [stack_top]
        xor     ebp, ebp
        call    guest_main
        ud2

; Where further vCPUs of the launch would start: nobody sends them a SIPI.
        global  entry_ap
entry_ap:
        cli
        hlt
        jmp     short entry_ap

        section .text
; One entry a vector, 16 bytes each: an error code where the CPU pushes none, then the vector.
        global  exception_entries
        align   16
exception_entries:
%assign vector 0
%rep 32
        align   16
%if vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 || vector >= 29
        push    byte vector
        jmp     near exception
%else
        push    byte 0
        push    byte vector
        jmp     near exception
%endif
%assign vector vector + 1
%endrep

exception:
        pop     rax                     ; vector
        pop     rcx                     ; error code
        shl     rax, 32
        mov     ecx, ecx
        or      rax, rcx
        bts     rax, 63
        cmp     qword [rsp + 8], 8      ; CS: another word where an event came without its error code
        jne     .unexpected
        mov     rcx, [resume]
        test    rcx, rcx
        jz      .unexpected
        mov     [rsp], rcx
        iretq
.unexpected:
        mov     rdi, rax
        extern  unexpected_exception
        lea     rsp, [stack_top]
        call    unexpected_exception


; u64 probe_read(const volatile void* address): 0, or how it faulted
        global  probe_read
probe_read:
        lea     rax, [.done]
        mov     [resume], rax
        mov     rdx, [rdi]
        xor     eax, eax
.done:  mov     qword [resume], 0
        ret

; u64 probe_write(volatile void* address, u64 value)
        global  probe_write
probe_write:
        lea     rax, [.done]
        mov     [resume], rax
        mov     [rdi], rsi
        xor     eax, eax
.done:  mov     qword [resume], 0
        ret

; u64 pvalidate(u64 linear, u32 size, u32 validate): EAX, and CF in bit 32
        global  pvalidate
pvalidate:
        lea     rax, [.done]
        mov     [resume], rax
        mov     rax, rdi
        mov     ecx, esi
        db      0xF2, 0x0F, 0x01, 0xFF
        setc    cl
        movzx   ecx, cl
        shl     rcx, 32
        or      rax, rcx
.done:  mov     qword [resume], 0
        ret

; u64 probe_call(u64 function(u64), u64 argument): what it returns, or how it faulted
        global  probe_call
probe_call:
        mov     [returning], rsp
        lea     rax, [.done]
        mov     [resume], rax
        mov     rax, rdi
        mov     rdi, rsi
        call    rax
.done:  mov     rsp, [returning]
        mov     qword [resume], 0
        ret

; u64 rmpadjust(u64 linear, u64 size, u64 attributes): EAX
        global  rmpadjust
rmpadjust:
        lea     rax, [.done]
        mov     [resume], rax
        mov     rax, rdi
        mov     rcx, rsi
        db      0xF3, 0x0F, 0x01, 0xFE
.done:  mov     qword [resume], 0
        ret

; u64 rmpquery(u64 linear, u64& attributes, u64& size): EAX
        global  rmpquery
rmpquery:
        mov     r8, rdx
        lea     rax, [.done]
        mov     [resume], rax
        mov     rax, rdi
        mov     rdx, [rsi]
        db      0xF3, 0x0F, 0x01, 0xFD
        mov     [rsi], rdx
        mov     [r8], rcx
.done:  mov     qword [resume], 0
        ret

; void load_code_segment(): CS from the GDT that was just loaded
        global  load_code_segment
load_code_segment:
        pop     rax
        push    8
        push    rax
        retfq

        section .data
resume: dq      0
returning: dq   0
