; SPDX-License-Identifier: BSD-2-Clause-Patent
; Loops with an instruction of the reverse map table, and nothing but registers from one to the next.
        bits    64
        default rel

%macro  pvalidate 0
        db      0xF2, 0x0F, 0x01, 0xFF
%endmacro

        section .text
; u64 validate_pages(u64 first, u64 end, u32 validate): how many have failed, by CF or EAX
        global  validate_pages
validate_pages:
        xor     r8d, r8d
        mov     r9, rdi
        jmp     short .first
.failed:
        inc     r8d
.next:  add     r9, 0x1000
        cmp     r9, rsi
        jae     .done
.first: mov     rax, r9
        xor     ecx, ecx
        pvalidate
        jc      near .failed
        test    eax, eax
        jne     .failed
        jmp     near .next
.done:  mov     rax, r8
        ret

; u64 try_again(u64 page, u64 size, u64 tries): EAX of the last of so many
        global  try_again
try_again:
        mov     r8, rdx
        mov     edx, 1
.next:  mov     rax, rdi
        mov     ecx, esi
        pvalidate
        dec     r8
        jne     .next
        ret

; u64 step_pages(u64 first, u64 end, u32 validate): the same with a #DB behind each instruction, which is
; counted; how many have come
        global  step_pages
step_pages:
        mov     qword [traps], 0
        pushfq
        or      qword [rsp], 0x100      ; TF
        popfq
        call    validate_pages
        pushfq
        and     qword [rsp], ~0x100
        popfq
        mov     rax, [traps]
        ret

        global  count_trap
count_trap:
        inc     qword [traps]
        iretq

        section .data
traps:  dq      0

; u64 take_own_page_back(u64 other): takes back the very page that it is in, and by the page's next
; instructions another one. Where it faults is the caller's to say (resume).
        section .text.page align=4096
        global  take_own_page_back
take_own_page_back:
        lea     rax, [take_own_page_back]
        xor     ecx, ecx
        xor     edx, edx
        pvalidate
        mov     rax, rdi
        pvalidate
        mov     rax, rdi
        ret
        align   4096, db 0xCC
