; SPDX-License-Identifier: BSD-2-Clause-Patent
; Counting instructions by single steps (call_budget.cpp).
        bits    64
        default rel
        section .text

; u64 steps_of(void (*function)(void*), void* argument)
        global  steps_of
steps_of:
        mov     rax, rdi
        mov     rdi, rsi
        mov     qword [steps], 0
        pushfq
        or      dword [rsp], 1 << 8     ; TF: a #DB behind each instruction from the next one on
        popfq
        call    rax
        pushfq
        and     dword [rsp], ~(1 << 8)
        popfq
        mov     rax, [steps]
        ret

        global  count_step
count_step:
        inc     qword [steps]
        iretq

        section .bss align=8
        global  steps:data hidden
steps:  resq    1
