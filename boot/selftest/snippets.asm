; SPDX-License-Identifier: BSD-2-Clause-Patent
; selftest_run_snippet and its snippets (boot/selftest/registers.h). Every register holds a value
; under test while the instruction runs, so the way back to our own state is a memory cell.
%include "guest_asm.inc"

        bits    64
        default rel

        section .bss
saved_rsp:
        resq    1
registers:
        resq    1
target:
        resq    1
result_rsp:
        resq    1

        section .text
        global  selftest_run_snippet
selftest_run_snippet:
        push    rbx
        push    rbp
        push    r12
        push    r13
        push    r14
        push    r15
        pushfq
        mov     [saved_rsp], rsp
        mov     [registers], rdi
        lea     rax, [snippets]
        mov     esi, esi
        shl     rsi, 4                  ; 16 bytes a snippet
        add     rax, rsi
        mov     [target], rax

        mov     rsp, [rdi + REGISTERS_RSP]
        push    qword [rdi + REGISTERS_RFLAGS]
        mov     rax, [rdi + REGISTERS_RAX]
        mov     rcx, [rdi + REGISTERS_RCX]
        mov     rdx, [rdi + REGISTERS_RDX]
        mov     rbx, [rdi + REGISTERS_RBX]
        mov     rbp, [rdi + REGISTERS_RBP]
        mov     rsi, [rdi + REGISTERS_RSI]
        mov     r8, [rdi + REGISTERS_R8]
        mov     r9, [rdi + REGISTERS_R9]
        mov     r10, [rdi + REGISTERS_R10]
        mov     r11, [rdi + REGISTERS_R11]
        mov     r12, [rdi + REGISTERS_R12]
        mov     r13, [rdi + REGISTERS_R13]
        mov     r14, [rdi + REGISTERS_R14]
        mov     r15, [rdi + REGISTERS_R15]
        mov     rdi, [rdi + REGISTERS_RDI]
        popfq                           ; RSP is the caller's choice again
        jmp     [target]

snippet_done:
        mov     [result_rsp], rsp
        mov     rsp, [saved_rsp]
        pushfq
        push    rdi
        mov     rdi, [registers]
        mov     [rdi + REGISTERS_RAX], rax
        pop     rax
        mov     [rdi + REGISTERS_RDI], rax
        pop     rax
        mov     [rdi + REGISTERS_RFLAGS], rax
        mov     rax, [result_rsp]
        mov     [rdi + REGISTERS_RSP], rax
        mov     [rdi + REGISTERS_RCX], rcx
        mov     [rdi + REGISTERS_RDX], rdx
        mov     [rdi + REGISTERS_RBX], rbx
        mov     [rdi + REGISTERS_RBP], rbp
        mov     [rdi + REGISTERS_RSI], rsi
        mov     [rdi + REGISTERS_R8], r8
        mov     [rdi + REGISTERS_R9], r9
        mov     [rdi + REGISTERS_R10], r10
        mov     [rdi + REGISTERS_R11], r11
        mov     [rdi + REGISTERS_R12], r12
        mov     [rdi + REGISTERS_R13], r13
        mov     [rdi + REGISTERS_R14], r14
        mov     [rdi + REGISTERS_R15], r15
        popfq
        pop     r15
        pop     r14
        pop     r13
        pop     r12
        pop     rbp
        pop     rbx
        ret

%macro  snippet 1+
        align   16
        %1
        jmp     near snippet_done
%endmacro

; In the order of the enumeration Snippet.
        align   16
snippets:
        snippet cpuid
        snippet rdmsr
        snippet wrmsr
        snippet in      al, 0x81
        snippet in      ax, 0x81
        snippet in      eax, 0x81
        snippet in      al, dx
        snippet in      ax, dx
        snippet in      eax, dx
        snippet out     0x81, al
        snippet out     0x81, ax
        snippet out     0x81, eax
        snippet out     dx, al
        snippet out     dx, ax
        snippet out     dx, eax
